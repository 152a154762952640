"""`kvae train --resume`: the same command again resumes the run, and other options are named."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

TRAIN = ("train", "--hidden", "16", "--epochs", "3", "--name", "mine")


@pytest.fixture(scope="module")
def trained(tmp_path_factory, cache_home):
    """A folder with a run."""
    folder = tmp_path_factory.mktemp("trained")
    subprocess.run(
        [Path(sys.executable).with_name("kvae"), *TRAIN, "--resume"],
        cwd=folder, env=os.environ | {"XDG_CACHE_HOME": str(cache_home)}, timeout=300, check=True,
    )  # fmt: skip
    return folder


@pytest.fixture
def unfinished(trained, tmp_path):
    """A run that has lost what it ended with, where `command` runs."""
    shutil.copytree(trained, tmp_path, dirs_exist_ok=True)
    (tmp_path / "runs/mine/results.json").unlink()
    return tmp_path / "runs/mine"


def test_the_same_command_resumes_and_ends(command, unfinished):
    for again in (*TRAIN, "--resume"), ("train", "--resume", "mine"):
        (unfinished / "results.json").unlink(missing_ok=True)
        result = command(*again)
        assert result.returncode == 0, result.stderr
        assert "mine on 179 test images" in result.stdout
    done = command(*TRAIN, "--resume")
    assert done.returncode == 0
    assert done.stderr == "runs/mine is complete: there is nothing to resume.\n"
    assert done.stdout == result.stdout


def test_options_that_contradict_the_run_are_named(command, unfinished):
    for options, named in (
        (("--hidden", 16, "--epochs", 4), "--epochs (it has 3)"),
        (("--latent", 3, "--prior", "flow"), "--latent (it has 2), --prior (it has standard)"),
        (("--dataset", "mnist"), "--dataset (it has digits)"),
        (("--no-jit", "--seed", 0), "--no-jit (it has False): leave them out to resume it"),
    ):
        result = command("train", "--resume", "mine", *options)
        assert result.returncode == 2
        assert result.stderr.startswith(
            f"Error: runs/mine was started with other options than {named}"
        )
        assert len(result.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (("--resume",), 2, "--resume needs the name of a run, or a --name"),
        (("--resume", "a", "--name", "b"), 2, "--resume a and --name b are two runs: give one of them"),
        (("--resume", "nothing"), 1, "there is no run 'nothing' in runs"),
        (("--resume", "--name", "../x"), 2, "name '../x' must be letters"),
        (("--checkpoint-every", 0), 2, "Invalid value for '--checkpoint-every'"),
    ],
)
def test_what_cannot_be_resumed(command, options, code, message):
    result = command("train", *options)
    assert result.returncode == code
    assert message in result.stderr.splitlines()[-1]
