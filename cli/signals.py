"""What SIGINT (Ctrl-C), SIGTERM and SIGHUP do to a command, where the system has these.

Python calls no signal handlers while TensorFlow computes, and what a handler raises inside
TensorFlow may be lost, or crash the process. So a thread reads the signals as they come. It ends
the process at once, unless the command looks for signals itself, as training does. Files are
written under temporary names and then renamed, so none is left incomplete.
"""

import contextlib
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator

from kvae_cli import output

STOPPING = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
)
INTERRUPTED = "interrupted"


class _State:
    deferred = False  # Whether the command looks for signals itself.
    asked: int | None = None  # The first signal that came while it did.
    message = INTERRUPTED
    expected = False  # Whether SIGINT is how the command is ended.
    stderr = 2


def listen() -> None:
    """Act on signals from now on. Only the main thread can call this."""
    with contextlib.suppress(OSError):  # Standard error may be closed.
        _State.stderr = os.dup(2)  # Descriptor 2 itself leads nowhere at times.
    # Not a pipe: in Windows, only a socket can be told not to block.
    incoming, outgoing = socket.socketpair()
    outgoing.setblocking(False)
    signal.set_wakeup_fd(outgoing.fileno(), warn_on_full_buffer=False)
    for number in STOPPING:
        # What is ignored, as under nohup, stays so. Without a handler nothing is sent.
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, lambda number, frame: None)
    threading.Thread(target=_listen, args=(incoming, outgoing), daemon=True).start()


@contextlib.contextmanager
def deferred() -> Iterator[Callable[[], int | None]]:
    """Leave signals to the block. Only a second SIGINT still ends the process.

    Yields:
        A function that returns the number of the first signal, or None.
    """
    _State.asked, _State.deferred = None, True
    try:
        yield lambda: _State.asked
    finally:
        _State.deferred = False


@contextlib.contextmanager
def repeatable() -> Iterator[None]:
    """If a signal ends the process in the block, say that the same command resumes."""
    _State.message = "interrupted: repeat the same command to resume"
    try:
        yield
    finally:
        _State.message = INTERRUPTED


@contextlib.contextmanager
def until_interrupted() -> Iterator[None]:
    """In the block, SIGINT ends the process with exit code 0: a person has seen enough."""
    _State.expected = True
    try:
        yield
    finally:
        _State.expected = False


def _listen(incoming: socket.socket, outgoing: socket.socket) -> None:
    """Act on each signal. `outgoing` is kept open here."""
    while True:
        number = incoming.recv(1)[0]
        if number == getattr(signal, "SIGHUP", None):
            output.leave_terminals()
        if number == signal.SIGINT and _State.expected:
            os._exit(0)
        if number in STOPPING and not _State.deferred:
            _end(number, _State.message)
        elif number in STOPPING and _State.asked is None:
            _State.asked = number
            _say(f"{signal.Signals(number).name}: saving the run; SIGINT stops at once")
        elif number == signal.SIGINT:
            _end(number, "stopped at once; the last checkpoint is there")


def _end(number: int, message: str) -> None:
    _say(f"Error: {message}")
    with contextlib.suppress(OSError):  # The processes that train the runs of a sweep end, too.
        if "multiprocessing" in sys.modules:
            for child in sys.modules["multiprocessing"].active_children():
                # Those of joblib have no `kill`.
                os.kill(child.pid, getattr(signal, "SIGKILL", signal.SIGTERM))
    os._exit(128 + number)


def _say(line: str) -> None:
    with contextlib.suppress(OSError):  # A terminal may be gone.
        start = "\n" if os.isatty(_State.stderr) else ""  # There may be a progress bar.
        os.write(_State.stderr, f"{start}{line}\n".encode())
