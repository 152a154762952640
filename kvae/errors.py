"""What kvae raises when something outside the program is wrong."""


class KvaeError(Exception):
    """The data, a file, the disk or the network is not as it must be.

    The message is one line: what was wrong, where, and what to do about it.
    """


class UsageError(KvaeError, ValueError):
    """An option or argument is wrong by itself, whatever is on disk."""
