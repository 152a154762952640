"""Settings of a process that must be made before TensorFlow is imported."""

import atexit
import gc
import importlib.abc
import importlib.machinery
import logging
import os
import sys
from collections.abc import Sequence
from types import ModuleType

from kvae_cli import compiled, output

os.environ["KERAS_BACKEND"] = "tensorflow"  # A user may have chosen another for other programs.


def install() -> None:
    """Show kvae's messages, and make TensorFlow quiet and quick. Imports nothing heavy itself."""
    output.show_messages()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    # TensorFlow warns where the same function is compiled for one model after another.
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    # TensorFlow makes a million objects that stay to the end. Searching them for garbage takes a
    # second while a command works, and another second when it ends.
    gc.set_threshold(100_000, 50, 100)
    atexit.register(gc.freeze)
    sys.meta_path.insert(0, _Finder())


class _Finder(importlib.abc.MetaPathFinder):
    """Finds TensorFlow, to be imported by `_Loader`."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname != "tensorflow":
            return None
        spec = importlib.machinery.PathFinder.find_spec(fullname, path)
        if spec is not None and spec.origin is not None:
            spec.loader = _Loader(fullname, spec.origin)
        return spec


class _Loader(importlib.machinery.SourceFileLoader):
    """Imports TensorFlow without the lines that it writes to file descriptor 2.

    They come from C++, before any of TensorFlow's settings counts.
    """

    def exec_module(self, module: ModuleType) -> None:
        compiled.keep()
        stderr, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 2)
        try:
            super().exec_module(module)
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)
            os.close(nowhere)
