"""Run a kvae command in this process, and split its time into stages.

`python -m benchmarks.stages FILE ARGUMENT ...` runs `kvae ARGUMENT ...` and writes a JSON object of
the seconds of each stage to FILE. Stages can be nested: time counts for the innermost stage only.
Time outside all stages counts for the stage `other`.
"""

import builtins
import functools
import importlib
import json
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

HEAVY = {
    "keras",
    "matplotlib",
    "numpy",
    "sklearn",
    "tensorboard",
    "tensorflow",
    "tensorflow_datasets",
    "tensorflow_probability",
}

STAGES = {
    "kvae.data:load": "data",
    "kvae.models.build:build": "build",
    "kvae.training.epochs:CompiledEpoch.__init__": "compile training",
    "kvae.training.epochs:CompiledEpoch._take": "train",
    "kvae.models.evaluator:Evaluator.__call__": "evaluate",
    "kvae.runs.checkpoints:Checkpoints.save": "checkpoints",
    "kvae.runs.summaries:Summaries.__init__": "summaries",
    "kvae.runs.summaries:Summaries.epoch": "summaries",
    "kvae.runs.summaries:Summaries.finish": "summaries",
    "kvae.runs.summaries:Summaries.close": "summaries",
    "kvae.gallery:draw": "figures",
    "kvae.runs.film:Film.shoot": "figures",
    "kvae.runs.saved_models:save": "export",
    "kvae.runs.saved_models:load": "load model",
}
# Only functions in modules that the command imports anyway are timed.
MODULES = {"train": tuple(STAGES), "sample": ("kvae.runs.saved_models:load",)}


class Stopwatch:
    """Adds up the seconds of each stage."""

    def __init__(self) -> None:
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self._stack = ["other"]
        self._since = time.perf_counter()

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Count the time of a block for a stage, without the time of stages within the block.

        Args:
            name: The name of the stage.
        """
        self._charge()
        self._stack.append(name)
        try:
            yield
        finally:
            self._charge()
            self._stack.pop()

    def _charge(self) -> None:
        now = time.perf_counter()
        self.seconds[self._stack[-1]] += now - self._since
        self._since = now

    def imports(self) -> None:
        """Count the import of each heavy package as a separate stage from now on."""
        original = builtins.__import__

        @functools.wraps(original)
        def counted(name: str, *arguments: Any, **options: Any) -> Any:
            package = name.partition(".")[0]
            if package not in HEAVY or name in sys.modules:
                return original(name, *arguments, **options)
            with self.stage(f"import {package}"):
                return original(name, *arguments, **options)

        builtins.__import__ = counted

    def calls(self, place: str, stage: str) -> None:
        """Count the calls of a function or method for a stage from now on.

        The first call of an evaluator compiles, and counts for the stage `compile evaluation`.

        Args:
            place: The function as `module:qualified name`.
            stage: The name of the stage.
        """
        module, _, qualified = place.partition(":")
        owner: Any = importlib.import_module(module)
        *outer, attribute = qualified.split(".")
        for name in outer:
            owner = getattr(owner, name)
        original: Callable[..., Any] = getattr(owner, attribute)
        seen: set[int] = set()

        @functools.wraps(original)
        def counted(*arguments: Any, **options: Any) -> Any:
            name = stage
            if stage == "evaluate" and id(arguments[0]) not in seen:
                seen.add(id(arguments[0]))
                name = "compile evaluation"
            with self.stage(name):
                return original(*arguments, **options)

        setattr(owner, attribute, counted)


def main() -> None:
    """Run the command and write the seconds of its stages."""
    target, arguments = Path(sys.argv[1]), sys.argv[2:]
    stopwatch = Stopwatch()
    stopwatch.imports()
    from kvae_cli import startup
    from kvae_cli.main import cli

    startup.install()
    for place in MODULES.get(arguments[0], ()):
        stopwatch.calls(place, STAGES[place])
    cli(arguments, prog_name="kvae", standalone_mode=False)
    with stopwatch.stage("other"):
        target.write_text(json.dumps(stopwatch.seconds))


if __name__ == "__main__":
    main()
