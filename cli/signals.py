"""Signals that ask a command to stop: at once, or where it says that it can.

Python's own handlers wait until TensorFlow has done what it is at, which may take minutes. A thread
hears of signals as they come: it says what will happen, and ends the process when asked again.

TensorFlow calls Python back from C++, and an exception there that it does not expect may be lost,
turn into another one, or end the process. So none is raised before its outermost call has returned.
"""

import contextlib
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

import click

from kvae.errors import Interrupted
from kvae_cli import output

_TENSORFLOWS = {"tensorflow", "tensorflow_probability", "keras"}

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
    """Say of an interruption of the block that the same command goes on.

    What becomes of other threads once there was one is not said: it ends the process.
    """
    hook = threading.excepthook
    threading.excepthook = lambda failed: None if _asked.by else hook(failed)
    try:
        yield
        threading.excepthook = hook
    except KeyboardInterrupt as error:
        number = error.signal if isinstance(error, Interrupted) else signal.SIGINT
        raise Interrupted(number, "interrupted: the same command again goes on") from error


def _handle(number: int, frame: FrameType | None) -> None:
    _asked.by = _asked.by or number
    if _asked.deferred:
        return
    caller = _caller_of_tensorflow(frame)
    if caller is None:
        raise Interrupted(_asked.by)
    # Frames are traced only while there is a function for new ones, too.
    sys.settrace(lambda *_: None)
    caller.f_trace = _raise


def _caller_of_tensorflow(frame: FrameType | None) -> FrameType | None:
    """The frame from which TensorFlow was entered, if it is at work."""
    caller = None
    while frame is not None:
        if str(frame.f_globals.get("__name__")).split(".")[0] in _TENSORFLOWS:
            caller = frame.f_back
        frame = frame.f_back
    return caller


def _raise(frame: FrameType, event: str, argument: Any) -> None:
    """Raise `Interrupted` at a frame's next line, or where it ends."""
    sys.settrace(None)
    frame.f_trace = None
    if not _asked.deferred:
        raise Interrupted(_asked.by or signal.SIGINT)


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
