"""What kvae raises when something outside the program is wrong."""

import re


class KvaeError(Exception):
    """The data, a file, the disk or the network is not as it must be.

    The message is one line: what was wrong, where, and what to do about it.
    """


class UsageError(KvaeError, ValueError):
    """An option or argument is wrong by itself, whatever is on disk."""


class NotFiniteError(KvaeError):
    """A loss or a weight is not finite: training cannot go on, and would not another time."""


class Interrupted(KeyboardInterrupt):
    """A signal asked to stop.

    Args:
        signal: Its number.
        message: What was saved, and how to go on.
    """

    def __init__(self, signal: int, message: str = "interrupted") -> None:
        super().__init__(message)
        self.signal = signal


def first_line(error: BaseException) -> str:
    """What an error says, in one line, without where in TensorFlow it came from."""
    said = re.sub(r"\{\{.*?\}\} ?| ?\[Op:\w+\]", "", str(error)).strip()
    return said.splitlines()[0] if said else type(error).__name__
