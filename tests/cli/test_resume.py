"""`kvae train --resume`: the same command again resumes the run, and other options are named."""

import json
import shutil

import pytest

TRAIN = ("train", "--hidden", "16", "--epochs", "3", "--no-jit", "--name", "mine")


@pytest.fixture(scope="module")
def trained(tmp_path_factory, in_process):
    """A folder with a run."""
    folder = tmp_path_factory.mktemp("trained")
    # There is nothing to resume yet.
    assert in_process(folder, *TRAIN, "--resume").returncode == 0
    return folder


@pytest.fixture
def unfinished(trained, tmp_path):
    """A run that has lost what it ended with, where `command` and `invoke` run."""
    shutil.copytree(trained, tmp_path, dirs_exist_ok=True)
    (tmp_path / "runs/mine/results.json").unlink()
    return tmp_path / "runs/mine"


@pytest.mark.slow
def test_the_same_command_resumes_and_ends(command, invoke, unfinished):
    for run, again in (
        (command, (*TRAIN, "--resume")),
        (invoke, ("train", "--resume", "mine")),
    ):
        (unfinished / "results.json").unlink(missing_ok=True)
        result = run(*again)
        assert result.returncode == 0, result.stderr
        assert "mine on 179 test images" in result.stdout
    done = invoke(*TRAIN, "--resume")
    assert done.returncode == 0
    assert done.stderr == "runs/mine is complete: there is nothing to resume.\n"
    assert done.stdout == result.stdout


def test_options_that_contradict_the_run_are_named(invoke, unfinished):
    config = json.loads((unfinished / "config.json").read_text())
    config["training"]["jit"] = True
    (unfinished / "config.json").write_text(json.dumps(config))
    for options, named in (
        (("--hidden", 16, "--beta", 2), "--beta (it has 1.0)"),
        (("--latent", 3, "--prior", "flow"), "--latent (it has 2), --prior (it has standard)"),
        (("--dataset", "mnist"), "--dataset (it has digits)"),
        (("--no-jit", "--seed", 0), "--jit (it has True): leave them out to resume it"),
    ):
        result = invoke("train", "--resume", "mine", *options)
        assert result.returncode == 2
        assert result.stderr.startswith(
            f"Error: runs/mine was started with other options than {named}"
        )
        assert len(result.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (("--resume",), 2, "--resume needs the name of a run, or a --name"),
        (
            ("--resume", "a", "--name", "b"),
            2,
            "--resume a and --name b are two runs: give one of them",
        ),
        (("--resume", "nothing"), 1, "there is no run 'nothing' in runs"),
        (("--resume", "--name", "../x"), 2, "name '../x' must be letters"),
        (("--checkpoint-every", 0), 2, "Invalid value for '--checkpoint-every'"),
    ],
)
def test_what_cannot_be_resumed(invoke, options, code, message):
    result = invoke("train", *options)
    assert result.returncode == code
    assert message in result.stderr.splitlines()[-1]
