"""What a newcomer sees: the first run, `kvae` alone, and errors that name a command that works."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import kvae
from kvae.evaluation import classical

SHORT = ("--epochs", 3, "--hidden", 8, "--no-jit")


def next_commands(printed):
    """The commands that are printed under `Next:`, without their comments."""
    lines = printed.split("\nNext:\n")[1].splitlines()
    return [line.partition("#")[0].split() for line in lines]


def write_pictures(folder, size, count=20):
    """Write pictures of noise, `size` high and wide."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for number in range(count):
        Image.fromarray(rng.integers(0, 256, size, np.uint8)).save(folder / f"{number}.png")


def test_the_first_run(invoke, tmp_path, digits):
    done = invoke("train", *SHORT)
    assert done.returncode == 0, done.stderr
    results = json.loads((tmp_path / "runs/digits-z2/results.json").read_text())
    assert f"\n{results['verdict']}\n" in done.stdout
    (picture,) = re.findall(r"\nOpen +(\S+) ", done.stdout)
    assert picture == "runs/digits-z2/figures/reconstructions.png"
    with Image.open(tmp_path / picture) as opened:
        assert np.asarray(opened).std() > 10
    program, *arguments = next_commands(done.stdout)[0]
    assert (program, *arguments) == ("kvae", "sample", "digits-z2")
    assert invoke(*arguments).returncode == 0
    # Without a subcommand, the same is shown after the help.
    alone = invoke()
    assert alone.returncode == 0
    assert alone.stdout.startswith("Usage: kvae")
    assert "\nThe newest run is digits-z2.\n" in alone.stdout
    assert done.stdout.endswith(alone.stdout.split("is digits-z2.\n")[1])
    # The sentence says what is measured here in another way.
    model = kvae.load(tmp_path / "saved_models/digits-z2")
    train, test = (split.images / np.float32(255) for split in (digits.train, digits.test))
    error = np.mean(np.square(test - model.reconstruct(test).numpy()))
    linear = np.mean(np.square(test - classical.pca_reconstructions(train, test, 2)))
    better, ratio = re.fullmatch(
        r"(Better|Worse) than PCA: reconstructions of 179 test images have (\S+) times the squared "
        r"error of those by the 2 principal components of 1,439 training images\.",
        results["verdict"],
    ).groups()
    assert float(ratio) == pytest.approx(error / linear, abs=0.01)
    assert (better == "Better") == (error < linear)
    # What is not complete, not exported or damaged leads to a command, too.
    shutil.rmtree(tmp_path / "saved_models")
    (program, *arguments), *_ = next_commands(invoke().stdout)
    assert invoke(*arguments).stdout.strip() == "saved_models/digits-z2"
    (tmp_path / "runs/digits-z2/results.json").write_text("{")
    assert next_commands(invoke().stdout) == [["kvae", "list"]]
    (tmp_path / "runs/digits-z2/results.json").unlink()
    (program, *arguments), *_ = next_commands(invoke().stdout)
    assert invoke(*arguments).returncode == 0
    assert "\nThe newest run is digits-z2.\n" in invoke().stdout


def test_nothing_yet(invoke):
    assert next_commands(invoke().stdout) == [["kvae", "train"]]


def test_kvae_alone_imports_nothing_heavy(tmp_path):
    earlier = Path(__file__).parents[1] / "fixtures/earlier"
    shutil.copytree(earlier, tmp_path, dirs_exist_ok=True)
    code = (
        "import sys\n"
        "from click.testing import CliRunner\n"
        "from kvae_cli.main import cli\n"
        "result = CliRunner().invoke(cli)\n"
        "assert result.exit_code == 0 and 'newest run' in result.output, result\n"
        "heavy = {'tensorflow', 'keras', 'matplotlib', 'sklearn', 'PIL', 'tqdm'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True, timeout=60)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (
            ("--family", "adversarial"),
            r"\w+( collapsed)?: samples cover \d+% of the test images, with a recall of \d+%\.",
        ),
        (("--family", "quantized"), r"(Better|Worse) than the mean: .* of 1,439 training images\."),
        (("--latent", 1), r".* error of those by the principal component of 1,439 training .*"),
        (("--condition", "labels"), r".* than PCA: .* 2 principal components of .*"),
    ],
)
@pytest.mark.slow
def test_verdicts_of_other_models(invoke, options, says):
    done = invoke("train", "--epochs", 2, "--json", *options)
    assert done.returncode == 0, done.stderr
    assert re.fullmatch(says, json.loads(done.stdout)["results"]["verdict"])


def test_wrong_folders_lead_on(invoke, tmp_path):
    write_pictures(tmp_path / "deep/er/kind", (8, 8))
    (tmp_path / "empty").mkdir()
    for name in "empty", "./nowhere", "nowhere":
        done = invoke("train", "--dataset", name)
        assert "kvae data list shows the datasets that have a name" in done.stderr
    assert invoke("data", "list").returncode == 0
    done = invoke("train", "--dataset", "deep")
    assert done.returncode == 1
    command = done.stderr.split(": try kvae ")[1].split()
    assert command == ["data", "show", str(tmp_path / "deep/er")]
    assert invoke(*command).returncode == 0


def test_images_of_other_sizes_lead_to_one_size(invoke, tmp_path):
    write_pictures(tmp_path / "odd", (300, 200), 10)
    write_pictures(tmp_path / "odd/more", (200, 300), 10)
    for path in (tmp_path / "odd/more").iterdir():
        path.rename(tmp_path / "odd" / f"more{path.name}")
    (tmp_path / "odd/more").rmdir()
    done = invoke("data", "show", "odd")
    assert done.returncode == 1
    (option, size) = re.findall(r"give (--image-size) (\S+) to resize", done.stderr)[0]
    assert size == "128x85"
    done = invoke("data", "show", "odd", option, size)
    assert done.returncode == 0, done.stderr


def test_large_images_lead_to_smaller_ones(invoke, tmp_path):
    write_pictures(tmp_path / "large", (300, 400))
    done = invoke("data", "show", "large")
    assert done.returncode == 0, done.stderr
    said = "images of 300 x 400 pixels take long to train on: --image-size 96x128 makes them"
    assert said in done.stdout + done.stderr
    done = invoke("data", "show", "large", "--image-size", "96x128")
    assert "take long" not in done.stdout + done.stderr
