"""What a process needs before it works: TensorFlow imported quietly and quickly, and messages."""

import atexit
import contextlib
import gc
import importlib.abc
import importlib.machinery
import importlib.util
import logging
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from types import ModuleType

from kvae_cli import compiled, output


def install() -> None:
    """Show kvae's messages, and prepare for the first import of TensorFlow and of Keras.

    Must be called before, whoever imports them; imports nothing heavy itself.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(OneLine("%(message)s"))
    logger = logging.getLogger("kvae")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    # Some libraries have the root logger write, too.
    logger.propagate = False
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    # Whatever a user's Keras runs on elsewhere, kvae's runs on TensorFlow.
    os.environ["KERAS_BACKEND"] = "tensorflow"
    # TensorFlow is made of a million objects that live to the end. Looking for garbage among them
    # took a second of its import, and as much again at exit.
    gc.set_threshold(100_000, 50, 100)
    atexit.register(gc.freeze)
    sys.meta_path.insert(0, _During("tensorflow", _quiet_stderr, compiled.kept))
    sys.meta_path.insert(0, _During("keras", _without_extras))


class OneLine(logging.Formatter):
    """Shows a message of the library on one line, with the fields that it names as options."""

    def format(self, record: logging.LogRecord) -> str:
        return output.spoken(output.printable(super().format(record)))


class _During(importlib.abc.MetaPathFinder):
    """Enters contexts for the first import of a module, and is gone after it."""

    def __init__(
        self, name: str, *contexts: Callable[[], contextlib.AbstractContextManager[None]]
    ) -> None:
        self._name, self._contexts = name, contexts

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname != self._name:
            return None
        sys.meta_path.remove(self)
        try:
            spec = importlib.util.find_spec(fullname)
        finally:
            # To find is not yet to import: TensorFlow first asks where Keras is.
            sys.meta_path.insert(0, self)
        if spec is None or spec.loader is None:
            return spec
        execute = spec.loader.exec_module

        def exec_module(module: ModuleType) -> None:
            sys.meta_path.remove(self)
            with contextlib.ExitStack() as stack:
                for context in self._contexts:
                    stack.enter_context(context())
                execute(module)

        spec.loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec


@contextlib.contextmanager
def _quiet_stderr() -> Iterator[None]:
    """Keep file descriptor 2 to ourselves; if the block fails, show what was said.

    TensorFlow writes there before any of its settings count.
    """
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as said:
        os.dup2(said.fileno(), 2)
        try:
            yield
        except BaseException:
            said.seek(0)
            os.write(kept, said.read())
            raise
        finally:
            os.dup2(kept, 2)
            os.close(kept)


@contextlib.contextmanager
def _without_extras() -> Iterator[None]:
    """Keep Keras from importing what it can do without, and what takes a second.

    That is for wrappers and galleries that kvae does not use. Others may import it, before and
    after.
    """
    extras = [name for name in ("sklearn", "matplotlib") if name not in sys.modules]
    sys.modules.update(dict.fromkeys(extras))  # type: ignore[arg-type]
    try:
        yield
    finally:
        for name in extras:
            del sys.modules[name]
