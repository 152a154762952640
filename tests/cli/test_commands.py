"""Every command as a user types it.

The real command, a process of its own, trains once on every kind of dataset. Whatever needs no
process of its own runs in this one.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import kvae
from kvae_cli import figures as figures_command
from kvae_cli import output
from kvae_cli.main import COMMANDS

TOUR = Path(__file__).parents[2] / "docs/tour.md"


@pytest.fixture(scope="session")
def trained(tmp_path_factory, cache_home):
    """A folder in which `kvae train` has run once, and what it printed."""
    folder = tmp_path_factory.mktemp("trained")
    result = subprocess.run(
        [Path(sys.executable).with_name("kvae"), "train", "--epochs", "40", "--hidden", "32",
         "--learning-rate", "0.01", "--no-jit"],
        cwd=folder, env=os.environ | {"XDG_CACHE_HOME": str(cache_home)}, capture_output=True,
        text=True, timeout=300, check=False,
    )  # fmt: skip
    return folder, result


@pytest.fixture
def workplace(trained, tmp_path):
    """A copy of that folder, where `command` and `invoke` run."""
    shutil.copytree(trained[0], tmp_path, dirs_exist_ok=True)
    return tmp_path


def test_train(trained):
    folder, result = trained
    assert result.returncode == 0, result.stderr
    elbo = json.loads((folder / "runs/digits-z2/results.json").read_text())["elbo"]
    assert re.search(rf"ELBO +{elbo:.2f} ± \d", result.stdout)
    assert "digits-z2 on 179 test images, nats an image" in result.stdout
    for line in "kvae sample digits-z2", "kvae evaluate digits-z2", "tensorboard --logdir runs":
        assert line in result.stdout
    # Standard error is no terminal here: what the run is, no bar, and nothing of TensorFlow's.
    assert len(result.stderr.splitlines()) == 2, result.stderr
    assert "recipe reference" in result.stderr
    assert kvae.load(folder / "saved_models/digits-z2").sample(2).shape == (2, 8, 8, 1)


def test_train_json(invoke):
    result = invoke(
        "train", "--json", "--epochs", 2, "--hidden", "8,8", "--latent", 3, "--likelihood",
        "normal", "--mean-activation", "linear", "--optimizer", "rmsprop", "--learning-rate",
        "0.002", "--batch-size", 100, "--beta", 2, "--seed", 7, "--name", "mine", "--no-jit",
        "--runs", "a/runs", "--models", "b/models", "--schedule", "cosine", "--kl-warmup", 1,
        "--free-bits", 0.25, "--patience", 5, "--weight-decay", 0.5,
        "--weight-average", 0.75, "--clip-norm", 20, "--input-noise", 0.125, "--dropout",
        0.0625, "--activation", "silu", "--prior", "mixture", "--components", 3,
        "--posterior", "full",
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    printed = json.loads(result.stdout)
    assert (printed["name"], printed["run"], printed["saved_model"]) == (
        "mine", "a/runs/mine", "b/models/mine"
    )  # fmt: skip
    model, training = printed["config"]["model"], printed["config"]["training"]
    assert (model["latent"], model["hidden"], model["likelihood"]) == (3, [8, 8], "normal")
    assert model["mean_activation"] == "linear"
    assert (model["dropout"], model["activation"]) == (0.0625, "silu")
    assert (model["prior"], model["components"], model["posterior"]) == ("mixture", 3, "full")
    assert printed["config"]["objective"] == {
        "estimator": "aevb", "bound": "elbo", "importance_samples": 1,
        "doubly_reparameterized": False, "beta": 2.0, "kl_warmup": 1, "free_bits": 0.25,
        "input_noise": 0.125, "shared_step": 0.05, "weight_prior": 0.0,
    }  # fmt: skip
    assert training == {
        "epochs": 2, "batch_size": 100, "optimizer": "rmsprop", "initial_accumulator": None,
        "learning_rate": 0.002,
        "schedule": "cosine", "patience": 5, "weight_decay": 0.5, "clip_norm": 20.0,
        "weight_average": 0.75,
        "shift": 0, "start_from": None, "seed": 7, "jit": False,
    }  # fmt: skip
    assert np.isfinite(printed["results"]["elbo"])


def test_sample(command, invoke, workplace):
    assert command("sample").returncode == 0
    picture = np.asarray(Image.open(workplace / "samples.png"))
    assert picture.shape == (466, 466)
    assert picture.std() > 50
    result = invoke("sample", "digits-z2", "--count", 5, "--seed", 3, "--output", "a.npy")
    assert result.stdout.strip() == "5 samples of digits-z2 in a.npy"
    assert result.stderr == ""
    images = np.load(workplace / "a.npy")
    assert images.dtype == np.float32
    assert images.shape == (5, 8, 8, 1)
    assert 0 <= images.min() < images.max() <= 1
    model = kvae.load(workplace / "saved_models/digits-z2")
    np.testing.assert_array_equal(images, model.sample(5, 3))
    assert not np.array_equal(images, model.sample(5, 4))


def test_reconstruct(invoke, workplace, digits):
    result = invoke("reconstruct", workplace / "saved_models/digits-z2", "--count", 4)
    assert result.returncode == 0, result.stderr
    picture = np.asarray(Image.open(workplace / "reconstructions.png"))
    model = kvae.load(workplace / "saved_models/digits-z2")
    inputs = digits.test.images[[0, 59, 119, 178]] / np.float32(255)
    expected = kvae.figures.pairs(inputs, model.reconstruct(inputs).numpy())
    np.testing.assert_allclose(picture.astype(int), expected[..., 0], atol=1)
    np.testing.assert_array_equal(picture[2:58:7, 2:58:7], digits.test.images[0].squeeze())


@pytest.mark.slow
def test_fit_prior(invoke, workplace):
    options = "--components", 10, "--importance-samples", 20, "--json"
    result = invoke("fit-prior", "digits-z2", *options)
    assert result.returncode == 0, result.stderr
    found = json.loads(result.stdout)
    assert found["saved_model"] == "saved_models/digits-z2-mixture"
    quantities = {each["name"]: each["values"] for each in found["quantities"]}
    before, after = quantities["ELBO"]
    assert after > before
    model = kvae.load(workplace / "saved_models/digits-z2-mixture")
    old = kvae.load(workplace / "saved_models/digits-z2")
    assert model.config.model.prior_fitted
    assert found["held_out"].keys() == {"10"}
    assert model.config.model.components == 10
    for left, right in zip(model.encoder.weights, old.encoder.weights, strict=True):
        np.testing.assert_array_equal(left, right)
    assert invoke("sample", "digits-z2-mixture", "--output", "new.npy").returncode == 0
    np.testing.assert_array_equal(np.load(workplace / "new.npy"), model.sample(64, 0))
    taken = invoke("fit-prior", "digits-z2")
    assert taken.returncode == 1
    assert "digits-z2-mixture exists already" in taken.stderr
    same = invoke("fit-prior", "digits-z2", "--name", "digits-z2", "--overwrite")
    assert same.returncode == 2
    assert "is the model that the prior is fitted to" in same.stderr


def test_evaluate(invoke, workplace):
    shown = invoke("evaluate", "--importance-samples", 20)
    assert shown.returncode == 0, shown.stderr
    assert shown.stderr == ""
    printed = invoke("evaluate", "digits-z2", "--importance-samples", 20, "--json")
    assert printed.returncode == 0, printed.stderr
    # JSON has no NaN and no infinity.
    found = json.loads(printed.stdout, parse_constant=pytest.fail)
    words = " ".join(shown.stdout.split())  # Long verdicts take several lines.
    assert found["name"] == "digits-z2"
    assert found["images"] == "179 test images of digits"
    # What training measured, with other random numbers.
    elbo = json.loads((workplace / "saved_models/digits-z2/results.json").read_text())["elbo"]
    assert found["groups"]["Likelihood"]["ELBO"]["value"] == pytest.approx(elbo, abs=1)
    for title, rows in found["groups"].items():
        assert f"\n{title} " in shown.stdout
        for name, row in rows.items():
            assert f"\n  {name} " in shown.stdout
            assert output.spoken(row["verdict"]) in words
    assert f"{found['groups']['Likelihood']['KL']['value']:.2f}" in shown.stdout


@pytest.mark.slow
def test_evaluate_on_other_images(invoke, workplace, tmp_path):
    np.save(tmp_path / "noise.npy", np.random.default_rng(0).integers(0, 256, (80, 8, 8), np.uint8))
    result = invoke(
        "evaluate", "--dataset", "noise.npy", "--split", "train", "--importance-samples", 2,
        "--json",
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    found = json.loads(result.stdout)
    assert found["images"].startswith("64 train images of ")
    assert "Labels" not in found["groups"]
    # Noise is not digits.
    elbo = json.loads((workplace / "saved_models/digits-z2/results.json").read_text())["elbo"]
    assert found["groups"]["Likelihood"]["ELBO"]["value"] < elbo - 5


def test_figures(invoke, workplace):
    result = invoke("figures", "--only", "curves", "--only", "animation", "--only", "pca")
    assert result.returncode == 0, result.stderr
    paths = result.stdout.split()
    assert paths == [f"figures/digits-z2/{n}" for n in ("curves.png", "animation.gif", "pca.png")]
    for path in paths:
        with Image.open(workplace / path) as picture:
            assert np.asarray(picture.convert("L")).std() > 10
    svg = invoke("figures", "digits-z2", "--only", "kl", "--format", "svg", "--output", "a/b")
    assert svg.stdout.strip() == "a/b/kl.svg"
    assert "use of the latents" in (workplace / "a/b/kl.svg").read_text()


def test_figures_that_cannot_be_drawn(invoke, workplace):
    shutil.rmtree(workplace / "runs")
    result = invoke("figures", "--only", "curves")
    assert result.returncode == 1
    assert result.stderr == ("Error: curves need the run's history.csv, and there is no such run\n")
    assert not list((workplace / "figures").rglob("*.png"))


def test_the_figures_that_can_be_named_are_those_there_are():
    assert set(figures_command.NAMES) == set(kvae.gallery.PICTURES)


def test_compare(invoke, workplace, digits):
    untrained = kvae.build(kvae.configure(digits, hidden=(8,), jit=False))
    kvae.save(untrained, workplace / "saved_models/short")
    result = invoke("compare", "digits-z2", "short")
    assert result.returncode == 0, result.stderr
    (elbo,) = re.findall(r"\nELBO  .*", result.stdout)
    assert re.search(r"ELBO +\S+ ± \S+ \* +\S+ ± \S+ +nats", elbo)
    with Image.open(workplace / "comparison.png") as picture:
        assert np.asarray(picture.convert("L")).std() > 5
    printed = json.loads(invoke("compare", "short", "digits-z2", "--json").stdout)
    assert printed["models"] == ["short", "digits-z2"]
    best = {quantity["name"]: quantity["best"] for quantity in printed["quantities"]}
    assert (best["ELBO"], best["SSIM"], best["KL"]) == (1, 1, None)


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("compare", "digits-z2"), 2, "name two models or more"),
        (("compare", "digits-z2", "digits-z2"), 2, "name two models or more"),
        (("compare", "digits-z2", "digit"), 1, "did you mean 'digits-z2'?"),
        (("evaluate", "digits-z3"), 1, "did you mean 'digits-z2'?"),
        (("evaluate", "--importance-samples", 0), 2, "0 is not in the range"),
        (("evaluate", "--split", "tset"), 2, "'tset' is not one of"),
        (("figures", "--only", "curve"), 2, "'curve' is not one of"),
        (("figures", "--output", "file/x"), 1, "file"),
    ],
)
def test_what_is_wrong_is_one_line(invoke, workplace, arguments, code, message):
    (workplace / "file").touch()
    result = invoke(*arguments)
    assert result.returncode == code
    assert message in result.stderr
    assert "Traceback" not in result.stderr
    assert result.stderr.splitlines()[-1].startswith("Error: ")


def test_list(invoke, workplace):
    (workplace / "runs/broken").mkdir()
    (workplace / "runs/broken/config.json").write_text("{")
    shutil.copytree(workplace / "runs/digits-z2", workplace / "runs/half")
    (workplace / "runs/half/results.json").unlink()
    result = invoke("list")
    assert result.returncode == 0
    assert "runs in runs: 3" in result.stdout
    assert re.search(r"broken +damaged", result.stdout)
    head = r"dataset +family +model +epochs +ELBO +reconstruction +KL +active units"
    assert len(re.findall(head, result.stdout)) == 2
    assert re.search(r"half +digits +vae +z2 +unfinished", result.stdout)
    elbo = json.loads((workplace / "saved_models/digits-z2/results.json").read_text())["elbo"]
    assert re.search(rf"digits-z2 +digits +vae +z2 +40 +{elbo:.2f} ", result.stdout)
    printed = json.loads(invoke("list", "--json").stdout)
    assert [entry["name"] for entry in printed["saved_models"]] == ["digits-z2"]
    assert printed["saved_models"][0]["results"]["elbo"] == elbo


def test_list_of_nothing(invoke):
    result = invoke("list")
    assert result.returncode == 0
    assert result.stdout.count("none yet, kvae train makes one") == 2


def test_export(invoke, workplace):
    result = invoke("export", "digits-z2", "--models", "others")
    assert result.returncode == 0, result.stderr
    assert result.stdout.strip() == "others/digits-z2"
    one, two = (kvae.load(workplace / m / "digits-z2") for m in ("others", "saved_models"))
    np.testing.assert_array_equal(one.sample(3), two.sample(3))


def test_data(invoke):
    result = invoke("data", "list", "--data-dir", "nowhere")
    assert re.search(r"digits .*\[ready\]", result.stdout)
    assert re.search(r"frey .*\[kvae data prepare frey\]", result.stdout)
    printed = json.loads(invoke("data", "prepare", "digits", "--json").stdout)
    assert printed["images"] == {"train": 1439, "validation": 179, "test": 179}


def test_every_help_answers_without_tensorflow():
    code = (
        "import sys\n"
        "from click.testing import CliRunner\n"
        "from kvae_cli.main import cli\n"
        "for words in sys.argv[1:]:\n"
        "    result = CliRunner().invoke(cli, [*words.split(), '--help'])\n"
        "    assert result.exit_code == 0 and 'Usage:' in result.output, result\n"
        "heavy = {'tensorflow', 'keras', 'numpy', 'matplotlib', 'sklearn', 'PIL', 'tqdm'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
    )
    words = ["", *COMMANDS, "data list", "data prepare"]
    subprocess.run([sys.executable, "-c", code, *words], check=True, timeout=60)


def test_version(command):
    assert command("--version").stdout.strip() == f"kvae, version {kvae.__version__}"


def test_python_of_the_tour(tmp_path, monkeypatch):
    (code,) = re.findall(r"```python\n(import kvae\n.*?)```", TOUR.read_text(), re.DOTALL)
    code = re.sub(r"epochs=\d+", "epochs=2", code)
    monkeypatch.chdir(tmp_path)
    exec(code, {})
    assert (tmp_path / "saved_models").is_dir()


def test_train_on_mnist(command, mnist_dir):
    result = command(
        "train", "--dataset", "mnist", "--epochs", 1, "--hidden", 64, "--latent", 5,
        "--learning-rate", "0.05", "--binarize", "dynamic", "--json",
        TFDS_DATA_DIR=str(mnist_dir),
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    printed = json.loads(result.stdout)
    assert printed["name"] == "mnist-z5"
    # Independent pixels at their training means give -206.
    assert -206 < printed["results"]["elbo"] < -100
    assert printed["results"]["images"] == 10_000


def test_train_on_frey_and_on_a_folder_of_its_frames(command, invoke, frey_dir, tmp_path):
    options = ["--latent", 3, "--epochs", 6, "--optimizer", "adam", "--no-jit", "--json"]
    environment = {"TFDS_DATA_DIR": str(frey_dir)}
    result = command("train", "--dataset", "frey", *options, **environment)
    assert result.returncode == 0, result.stderr
    builtin = json.loads(result.stdout)
    frames = np.concatenate(
        [kvae.data.load("frey", frey_dir).split(s).images for s in ("train", "validation", "test")]
    )
    (tmp_path / "frames").mkdir()
    for index, frame in enumerate(frames):
        Image.fromarray(frame[..., 0]).save(tmp_path / f"frames/{index:04}.png")
    result = invoke("train", "--dataset", "frames", "--recipe", "reference", *options)
    assert result.returncode == 0, result.stderr
    assert "The pixels are grey, so the likelihood is normal." in result.stderr
    folder = json.loads(result.stdout)
    assert folder["name"] == "frames-z3"
    ignored = {"dataset": None}
    for part in "data", "model", "objective", "training":
        assert folder["config"][part] | ignored == builtin["config"][part] | ignored
    # The same images, other splits; independent Gaussian pixels give about 150.
    assert builtin["results"]["elbo"] > 500
    assert folder["results"]["elbo"] == pytest.approx(builtin["results"]["elbo"], rel=0.15)


def test_train_on_an_archive(invoke, digits, tmp_path):
    images, labels = digits.train.images[:200], digits.train.labels[:200]
    np.savez(tmp_path / "some.npz", x_train=images, y_train=labels)
    result = invoke(
        "train", "--dataset", "some.npz", "--epochs", 2, "--hidden", 8, "--no-jit", "--json"
    )
    assert result.returncode == 0, result.stderr
    printed = json.loads(result.stdout)
    assert printed["name"] == "some-z4"
    assert printed["results"]["images"] == 20
    assert (tmp_path / "saved_models/some-z4/saved_model.pb").is_file()


def test_no_network_says_which_file_to_put_where(invoke):
    proxies = dict.fromkeys(
        ["http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"], "http://127.0.0.1:9"
    )
    result = invoke("train", "--dataset", "frey", "--data-dir", "data", **proxies)
    assert result.returncode == 1
    assert result.stderr.splitlines()[-1] == (
        "Error: could not download frey (no network): put frey_rawface.mat (from "
        "https://cs.nyu.edu/~roweis/data/frey_rawface.mat) into data/downloads/manual and try "
        "again, or begin with --dataset digits, which needs no download"
    )
    assert "Traceback" not in result.stderr


def test_python_module_is_the_command():
    result = subprocess.run(
        [sys.executable, "-m", "kvae_cli.main", "--version"],
        env=os.environ, capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    assert kvae.__version__ in result.stdout
