"""The errors that kvae raises when something outside the program is wrong."""

import re


class KvaeError(Exception):
    """Something is wrong with the data, a file, the disk or the network.

    The message is one line that says what is wrong, where, and what the user can do about it.
    """


class UsageError(KvaeError, ValueError):
    """An option or argument is not valid, whatever the data and files are."""


class NotFiniteError(KvaeError):
    """A loss or a weight is not finite. Training the same again would fail in the same way."""


class Interrupted(KeyboardInterrupt):
    """A signal interrupted the program.

    Args:
        signal: The number of the signal.
        message: What was saved, and how to resume.
    """

    def __init__(self, signal: int, message: str = "interrupted") -> None:
        super().__init__(message)
        self.signal = signal


def first_line(error: BaseException) -> str:
    """The first line of an error's message, without the names of TensorFlow's internal nodes.

    Args:
        error: The error. If it has no message, the name of its class is returned.
    """
    message = re.sub(r"\{\{.*?\}\} ?| ?\[Op:\w+\]", "", str(error)).strip()
    return message.splitlines()[0] if message else type(error).__name__
