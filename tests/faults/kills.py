"""Training processes that are killed at random instants, and resumed.

    python -m tests.faults.kills --count 50

kills `kvae train` again and again, at any time of its life, at any change to a file, while it
writes a checkpoint and while it exports; resumes it with `kvae train --resume` until it is done;
and compares everything with a run that was left in peace. It prints a line for each run, and fails
if one of them differs in a bit.
"""

import argparse
import contextlib
import itertools
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from .process import differences, leftovers, outcome, run

SETTINGS = {
    "quick": ("--hidden", "16", "--epochs", "6", "--checkpoint-every", "1", "--no-jit"),
    "plain": ("--hidden", "16", "--epochs", "12", "--checkpoint-every", "1"),
    "patient": ("--hidden", "32", "--epochs", "40", "--learning-rate", "0.05", "--latent", "8",
                "--patience", "4", "--checkpoint-every", "2"),
    "flow": ("--hidden", "16", "--epochs", "8", "--prior", "flow", "--flow-units", "8",
             "--bound", "iwae", "--importance-samples", "3", "--checkpoint-every", "3"),
    "binary": ("--hidden", "16", "--epochs", "10", "--binarize", "dynamic", "--latent", "3",
               "--batch-size", "7", "--checkpoint-every", "1"),
}  # fmt: skip
A_RUN = 5
"""Kills at most, before it is left to end."""


@dataclass(frozen=True)
class Killed:
    """What became of a run.

    Attributes:
        setting: Its name in `SETTINGS`.
        replaces: Whether it was to replace another run.
        kills: What was counted, and the instant, of each time that it was killed.
        wrong: What is not as it should be.
    """

    setting: str
    replaces: bool
    kills: list[str]
    wrong: list[str]


def instant(dice: random.Random, changes: int, seconds: float) -> tuple[str, float]:
    """What to count, and up to where."""
    what = dice.choice(["time", "files", "checkpoint", "export"])
    # A checkpoint takes some ten milliseconds, an export about two seconds.
    delay = {"checkpoint": 0.05, "export": 2.0}
    if what == "time":
        return what, dice.uniform(0.4, 1.1) * seconds
    if what == "files":
        return what, dice.randint(1, changes)
    return what, dice.randint(1, 3 if what == "checkpoint" else 1) + min(
        0.999, dice.uniform(0, delay[what])
    )


def trial(
    folder: Path, whole: dict, setting: str, replaces: bool, instants: Iterable[tuple[str, float]]
) -> Killed:
    """Kill a run at some instants, let it end, and look at what came of it."""
    options = ("train", *SETTINGS[setting], "--name", "cut")
    wrong, kills = [], []
    old = b""
    if replaces:
        options += ("--overwrite",)
        old = (folder / "whole/runs/old/config.json").read_bytes()
        shutil.copytree(folder / "whole/runs/old", folder / "runs/cut")
        shutil.copytree(folder / "whole/saved_models/old", folder / "saved_models/cut")
    for what, when in itertools.chain(instants, [("nothing", 0.0)]):
        config = folder / "runs/cut/config.json"
        # Until the folder is replaced, the run that is there is the old one.
        resumes = config.exists() and config.read_bytes() != old
        resume = ("--resume",) if resumes else ()
        done = run(folder, what, when, "killed", *options, *resume)
        if done.returncode == 0:
            break
        if done.returncode != -9:
            wrong.append(f"exit code {done.returncode}: {done.stderr.strip()[-300:]}")
            break
        kills.append(f"{what} {when:.3f}")
    if not wrong:
        wrong = differences(whole, outcome(folder, "cut")) + leftovers(folder)
    return Killed(setting, replaces, kills, wrong)


def begin(folder: Path) -> Path:
    """A folder for runs that are left in peace, with one that others may replace."""
    peace = folder / "whole"
    peace.mkdir()
    run(peace, "nothing", 0, "", "train", "--hidden", "8", "--epochs", "1", "--name", "old")
    return peace


def leave_in_peace(peace: Path, setting: str) -> tuple[dict, tuple[int, float]]:
    """What a setting gives, how many changes to files it makes, and the seconds that it takes."""
    start = time.monotonic()
    options = *SETTINGS[setting], "--name", setting, "--overwrite"
    done = run(peace, "files", 1e9, "", "train", *options)
    assert done.returncode == 0, done.stderr
    changes, seconds = int((peace / "files").read_text()), time.monotonic() - start
    return outcome(peace, setting), (changes, seconds)


def trials(folder: Path, count: int, seed: int, settings: tuple[str, ...]) -> Iterator[Killed]:
    """Runs until so many kills are done."""
    dice = random.Random(seed)
    known = {}
    peace = begin(folder)
    killed = 0
    while killed < count:
        setting = dice.choice(settings)
        if setting not in known:
            leave_in_peace(peace, setting)
            # The second time much is compiled already.
            known[setting] = leave_in_peace(peace, setting)
        whole, measured = known[setting]
        with tempfile.TemporaryDirectory(dir=folder) as place:
            (Path(place) / "whole").symlink_to(peace)
            replaces = dice.random() < 0.3
            instants = (instant(dice, *measured) for _ in range(A_RUN))
            found = trial(Path(place), whole, setting, replaces, instants)
        killed += len(found.kills)
        yield found


def main() -> None:
    """Kill, compare, and say what came of it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=50, help="kills at least")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    runs, kills, wrong = 0, 0, 0
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        for found in trials(folder, given.count, given.seed, tuple(SETTINGS)):
            runs, kills, wrong = runs + 1, kills + len(found.kills), wrong + bool(found.wrong)
            replacing = ", replacing another" if found.replaces else ""
            verdict = f"DIFFERS: {', '.join(found.wrong)}" if found.wrong else "identical"
            print(f"{found.setting}{replacing}: {'; '.join(found.kills)}: {verdict}", flush=True)
    print(f"{kills} kills in {runs} runs: {wrong} of them came out differently")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
