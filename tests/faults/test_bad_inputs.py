"""Bad input of every kind: one clear line, an exit code, and nothing touched."""

import hashlib
import json
import os
import random
import re
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from .bad_inputs import EARLIER, LISTED, Case, cases

SECONDS = 10.0
"""No command may take longer to say what is wrong."""
PEAK = 2**29
"""Bytes that a command may take beyond what it started with."""
LONGEST = 2500
"""Letters on standard error."""
CASES = cases()
REAL = 10
"""Of them are typed at the real command, too."""

Answer = dict[str, Any]

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/clear_refs").exists(), reason="memory is measured as Linux tells it"
)


class Watched:
    """The commands of `watched.py`, each in a copy of a folder with an earlier run.

    Args:
        root: A folder of its own.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        for name in "tmp", "home", "template":
            (root / name).mkdir()
        self.environment = {
            "HOME": str(root / "home"),
            "TMPDIR": str(root / "tmp"),
            "XDG_CACHE_HOME": str(root / "cache"),
            "TFDS_DATA_DIR": str(root / "home" / "tensorflow_datasets"),
            "KERAS_BACKEND": "tensorflow",
            "PYTHONDONTWRITEBYTECODE": "1",
            # A proxy that refuses stands in for the network.
            **dict.fromkeys(
                ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), "http://127.0.0.1:9"
            ),
        }
        self._processes = {
            tensorflow: subprocess.Popen(
                [
                    sys.executable,
                    Path(__file__).with_name("watched.py"),
                    *(["tensorflow"] if tensorflow else []),
                ],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                env=os.environ | self.environment,
            )
            for tensorflow in (False, True)
        }
        train = ("train", "--epochs", "1", "--hidden", "8", "--no-jit", "--name", EARLIER)
        trained = self.run(root / "template", train, seconds=300, tensorflow=True)
        assert trained["code"] == 0, trained

    def close(self) -> None:
        """End the processes."""
        for process in self._processes.values():
            process.communicate(timeout=60)

    def folder(self) -> Path:
        """A fresh folder, with what was there earlier."""
        folder = self.root / "work"
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(self.root / "template", folder)
        return folder

    def run(
        self,
        folder: Path,
        arguments: tuple[str, ...] = (),
        seconds: float = SECONDS,
        tensorflow: bool = False,
        **more: Any,
    ) -> Answer:
        """What a command did."""
        request = {
            "arguments": arguments,
            "folder": str(folder),
            "inside": str(self.root),
            "said": str(self.root / "said"),
            "environment": {},
            "seconds": seconds,
            **more,
        }
        process = self._processes[tensorflow]
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps(request) + "\n")
        process.stdin.flush()
        return json.loads(process.stdout.readline())


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    """Commands that are watched."""
    watched = Watched(tmp_path_factory.mktemp("watched"))
    yield watched
    watched.close()


def everything(root: Path) -> dict[str, Any]:
    """What is in the folders that a command could write to."""
    found: dict[str, Any] = {}
    for name in "work", "home", "tmp":
        for path, folders, files in os.walk(root / name):
            found |= {os.path.join(path, each): "folder" for each in folders}
            for each in files:
                whole = os.path.join(path, each)
                about = os.lstat(whole)
                content = ""
                # Not those that seem to be of a terabyte.
                if stat.S_ISREG(about.st_mode) and about.st_size < 2**28:
                    content = hashlib.sha256(Path(whole).read_bytes()).hexdigest()
                found[whole] = (about.st_mode, about.st_size, about.st_mtime_ns, content)
    return found


def changed(before: dict[str, Any], after: dict[str, Any], work: Path, may: Any) -> list[str]:
    """What is new, gone or other, but for what may be."""
    names = [name for name in {*before, *after} if before.get(name) != after.get(name)]
    allowed = tuple(f"{work / folder}/" for folder in may)
    # TFDS keeps a folder for as long as it is imported, and TensorFlow what AutoGraph made.
    scratch = (
        rf"{re.escape(str(work.parent / 'tmp'))}/"
        r"(tmp.*tfds|__pycache__|(__pycache__/)?__autograph_generated_file.*)"
    )
    return [
        name
        for name in names
        if not f"{name}/".startswith(allowed) and not re.fullmatch(scratch, name)
    ]


def check_words(case: Case, code: int | None, stdout: str, stderr: str) -> None:
    """What a command said is as it should be."""
    said = stderr.strip().splitlines()
    assert code == case.code, (code, said[-5:])
    assert "Traceback" not in stderr
    if case.code == LISTED:
        assert case.says in stdout
        assert not said
    else:
        assert said[-1].startswith("Error: "), said
        assert case.says in said[-1], said[-1]
        # Above it may stand how the command is used, or what was begun; nothing else.
        above = "Usage: |Try |$|preparing |.* to train on, |.* latents, |The pixels are |.* runs, "
        assert not [line for line in said[:-1] if not re.match(above, line)], said
        assert stdout == ""
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", stderr + stdout)
    assert len(stderr) < LONGEST


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_bad_input_is_one_clear_line_and_touches_nothing(case: Case, watched: Watched) -> None:
    work = watched.folder()
    case.make(work)
    before = everything(watched.root)
    answer = watched.run(
        work,
        case.arguments,
        tensorflow=case.needs_tensorflow,
        environment=dict(case.environment),
    )
    assert not answer["hung"], f"no answer within {SECONDS} seconds"
    check_words(case, answer["code"], answer["stdout"], answer["stderr"])
    assert answer["seen"] == []
    assert answer["peak"] < PEAK
    assert changed(before, everything(watched.root), work, case.may) == []


@pytest.mark.parametrize("case", random.Random(0).sample(CASES, REAL), ids=lambda case: case.name)
def test_the_real_command_says_the_same(case: Case, watched: Watched) -> None:
    work = watched.folder()
    case.make(work)
    before = everything(watched.root)
    result = subprocess.run(
        [Path(sys.executable).with_name("kvae"), *case.arguments],
        cwd=work,
        env=os.environ | watched.environment | dict(case.environment),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="backslashreplace",
        timeout=120,
        check=False,
    )
    check_words(case, result.returncode, result.stdout, result.stderr)
    assert changed(before, everything(watched.root), work, case.may) == []


def test_there_are_hundreds_of_them_and_every_command_meets_some() -> None:
    from kvae_cli.main import COMMANDS

    assert len(CASES) >= 300
    assert len({case.name for case in CASES}) == len(CASES)
    met = [case.arguments[0] for case in CASES if case.arguments]
    assert {command: met.count(command) >= 10 for command in COMMANDS} == dict.fromkeys(
        COMMANDS, True
    )


def test_the_watch_sees_what_must_not_be(watched: Watched, tmp_path: Path) -> None:
    work = watched.folder()
    outside = tmp_path / "outside"
    assert watched.run(work, instead=f"open({str(outside)!r}, 'w')")["seen"] == [f"open {outside}"]
    assert watched.run(work, instead="import os; os.mkdir('/nowhere/x')")["seen"]
    assert watched.run(work, instead="open('inside', 'w')")["seen"] == []
    unpickled = "import os, pickle; pickle.loads(pickle.dumps(os.getcwd))"
    assert watched.run(work, instead=unpickled)["seen"]
    assert watched.run(work, instead="import os; os.system('true')")["seen"]
    assert watched.run(work, instead="import time; time.sleep(60)", seconds=0.5)["hung"]
    assert watched.run(work, instead="while True: pass", seconds=0.5)["hung"]
    assert watched.run(work, instead=f"bytearray(b'x') * {2 * PEAK}")["peak"] > PEAK
    assert "MemoryError" in watched.run(work, instead="bytearray(2**40)")["stderr"]
    failed = watched.run(work, instead="1 / 0")
    assert (failed["code"], "Traceback" in failed["stderr"]) == (1, True)
