"""The commands with a conditional model: labels of samples and of images, and what is refused."""

import csv
import json

import numpy as np
import pytest
from PIL import Image

import kvae


@pytest.fixture(scope="module")
def models(few_digits, tmp_path_factory):
    """A folder with a conditional model and an ordinary one, as if they were trained."""
    folder = tmp_path_factory.mktemp("models")
    for name, options in {"given": {"condition": "labels"}, "plain": {}}.items():
        options |= {"hidden": (8,), "latent": 2, "jit": False, "likelihood": "normal"}
        model = kvae.build(kvae.configure(few_digits, **options))
        rng = np.random.default_rng(0)
        for weight in model.trainable_variables:
            weight.assign_add(0.3 * rng.standard_normal(weight.shape))
        kvae.save(model, folder / name)
    return folder


@pytest.fixture
def place(tmp_path, digits, models):
    """A folder with images of digits without labels, and with the models."""
    for number, image in enumerate(digits.test.images[:4]):
        Image.fromarray(image[..., 0]).save(tmp_path / f"{number}.png")
    (tmp_path / "saved_models").symlink_to(models)
    np.savez(tmp_path / "other.npz", images=digits.test.images[:12], labels=np.arange(12))
    return tmp_path


def loaded(place):
    return kvae.load(place / "saved_models/given")


def test_samples_of_a_label(place, invoke):
    done = invoke("sample", "given", "--label", 7, "--count", 5, "--output", "a.npy")
    assert done.stdout == "5 samples of given, label 7, in a.npy\n"
    np.testing.assert_array_equal(np.load(place / "a.npy"), loaded(place).given(7).sample(5))
    done = invoke("sample", "given", "--count", 5, "--output", "b.npy")
    assert done.stdout == "5 samples of given in b.npy\n"
    np.testing.assert_array_equal(np.load(place / "b.npy"), loaded(place).sample(5))


def test_a_label_for_all_images_or_their_own(place, invoke, digits):
    model = loaded(place)
    assert invoke("encode", "given", "0.png", "1.png", "--label", "3").returncode == 0
    with (place / "latents.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    found = kvae.encode(model, digits.test.images[:2], labels=np.array([3, 3]))
    np.testing.assert_array_equal([np.float32(row["elbo"]) for row in rows], found.terms["elbo"])
    done = invoke("reconstruct", "given", "digits", "--split", "test", "--output", "r.npy")
    assert done.returncode == 0, done.stderr
    floats = model.inputs(digits.test.images)
    expected = model.given(digits.test.labels).reconstruct(floats)
    np.testing.assert_allclose(np.load(place / "r.npy"), expected, atol=1e-5)
    # Of some images, each has its own label.
    invoke("reconstruct", "given", "--count", 3, "--output", "r.npy")
    own = digits.test.spread(3)
    expected = model.given(own.labels).reconstruct(model.inputs(own.images))
    np.testing.assert_allclose(np.load(place / "r.npy"), expected, atol=1e-5)


def test_every_command_takes_a_label(place, invoke, digits):
    done = invoke("score", "given", "0.png", "1.png", "--label", "3", "--json")
    bounds = {row["image"]: row["bound"] for row in json.loads(done.stdout)["least usual"]}
    found = kvae.score(
        loaded(place),
        digits.test.images[:2],
        digits.validation.images,
        labels=np.array([3, 3]),
        validation_labels=digits.validation.labels,
    )
    assert [bounds["0.png"], bounds["1.png"]] == pytest.approx(found.bounds.tolist(), rel=1e-5)
    assert (place / "unusual.png").is_file()
    done = invoke("nearest", "given", "0.png", "--label", "3", "--count", 2, "--json")
    assert len(json.loads(done.stdout)) == 2
    words = ["interpolate", "given", "0.png", "1.png", "--label", "3", "--output", "w.npy"]
    assert invoke(*words, "--steps", 3).returncode == 0
    model, labels = loaded(place), np.array([3, 3])
    ways = kvae.interpolate(model, digits.test.images[:2], 3, labels=labels)
    np.testing.assert_array_equal(np.load(place / "w.npy"), ways)
    ends = model.given(labels).reconstruct(model.inputs(digits.test.images[:2]))
    np.testing.assert_allclose(ways[0, [0, -1]], ends, atol=1e-5)


REFUSED = {
    2: {
        "unknown label 'cat': known are 0, 1, 2": (
            "sample given --label cat", "encode given 0.png --label cat",
            "score given 0.png --label cat", "reconstruct given 0.png --label cat",
            "nearest given 0.png --label cat", "interpolate given 0.png 1.png --label cat",
        ),
        "did you mean '7'": ["sample given --label 77"],
        "--label is for conditional models": (
            "sample plain --label 7", "encode plain 0.png --label 7",
            "reconstruct plain 0.png --label 7",
        ),
        "the images have no labels: give --label": (
            "encode given 0.png", "score given 0.png", "reconstruct given 0.png",
            "nearest given 0.png", "interpolate given 0.png 1.png",
        ),
        "--condition labels needs a label of each image": [
            "train --dataset bare.npy --condition labels"
        ],
        "'colour' is not": ["train --condition colour"],
        "no prior can be fitted to a conditional model": ["fit-prior given"],
        "ELBOs are of different things": ["compare given plain"],
    },
    1: {
        "unknown label '10'": ["encode given other.npz", "evaluate given --dataset other.npz"],
        "the images of": ["evaluate given --dataset bare.npy"],
        "does not take conditional models": ["explore given --export a.html"],
    },
}  # fmt: skip


@pytest.mark.parametrize(
    ("code", "says", "line"),
    [
        (code, says, line)
        for code, table in REFUSED.items()
        for says, lines in table.items()
        for line in lines
    ],
)
def test_what_is_refused(place, invoke, digits, code, says, line):
    if "explore" in line:
        pytest.importorskip("bokeh")
    np.save(place / "bare.npy", digits.test.images[:40])
    done = invoke(*line.split())
    assert done.returncode == code, done.stderr
    assert done.stderr.strip().splitlines()[-1].startswith("Error: ")
    assert says in done.stderr.splitlines()[-1]
    assert done.stdout == ""
