"""Signals that ask a command to stop: at once, or where it says that it can.

Python's own handlers wait until TensorFlow has done what it is at, which may take minutes. A thread
hears of signals as they come: it says what will happen, and ends the process when asked again.
"""

import contextlib
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from types import FrameType

import click

from kvae.errors import Interrupted
from kvae_cli import output

STOPPING = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP"))


class _Asked:
    """What came so far.

    Attributes:
        by: The first signal's number.
        deferred: Whether the command looks for itself.
    """

    def __init__(self) -> None:
        self.by: int | None = None
        self.deferred = False


_asked = _Asked()


@contextlib.contextmanager
def handled() -> Iterator[None]:
    """Have signals raise `Interrupted` in the block, and the second SIGINT end the process."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    _asked.by, _asked.deferred = None, False
    # What was set to be ignored, as by nohup, stays so.
    old = {
        number: signal.signal(number, _handle)
        for number in STOPPING
        if signal.getsignal(number) is not signal.SIG_IGN
    }
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)
    before = signal.set_wakeup_fd(theirs.fileno(), warn_on_full_buffer=False)
    threading.Thread(target=_listen, args=(ours,), daemon=True).start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(before)
        for number, handler in old.items():
            signal.signal(number, handler)
        theirs.close()


@contextlib.contextmanager
def deferred() -> Iterator[Callable[[], int | None]]:
    """Have signals raise nothing in the block.

    Yields:
        A function that gives the number of the signal that asked to stop, if one did.
    """
    _asked.deferred = True
    try:
        yield lambda: _asked.by
    finally:
        _asked.deferred = False


@contextlib.contextmanager
def repeatable() -> Iterator[None]:
    """Say of an interruption of the block that the same command goes on."""
    try:
        yield
    except KeyboardInterrupt as error:
        number = error.signal if isinstance(error, Interrupted) else signal.SIGINT
        raise Interrupted(number, "interrupted: the same command again goes on") from error


def _handle(number: int, frame: FrameType | None) -> None:
    _asked.by = _asked.by or number
    if not _asked.deferred:
        raise Interrupted(_asked.by)


def _listen(socket_of_signals: socket.socket) -> None:
    """Act on signals at once, until the other end is closed."""
    told = False
    with socket_of_signals:
        while numbers := socket_of_signals.recv(1):
            if numbers[0] not in STOPPING:
                continue
            if numbers[0] == signal.SIGHUP:
                output.leave_terminals()
            if told and numbers[0] == signal.SIGINT:
                os._exit(128 + signal.SIGINT)
            if _asked.deferred and not told:
                name = signal.Signals(numbers[0]).name
                # Nobody may be listening.
                with contextlib.suppress(OSError):
                    click.echo(f"\n{name}: saving the run; SIGINT stops at once", err=True)
            told = True
