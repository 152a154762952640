"""TensorFlow without what its C++ parts say on the way."""

import contextlib
import importlib.abc
import importlib.machinery
import importlib.util
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from types import ModuleType


def install() -> None:
    """Make the first `import tensorflow`, whoever it is by, a quiet one.

    Must be called before; imports nothing heavy itself.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    # Whatever a user's Keras runs on elsewhere, kvae's runs on TensorFlow.
    os.environ["KERAS_BACKEND"] = "tensorflow"
    sys.meta_path.insert(0, _QuietTensorFlow())


class _QuietTensorFlow(importlib.abc.MetaPathFinder):
    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname != "tensorflow":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(fullname)
        if spec is None or spec.loader is None:
            return spec
        execute = spec.loader.exec_module

        def exec_module(module: ModuleType) -> None:
            with _quiet_stderr():
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
