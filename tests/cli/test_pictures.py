"""The commands that use a trained model on images of a person's own."""

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.stats import mannwhitneyu
from sklearn.metrics import roc_auc_score

import kvae

EARLIER = Path(__file__).parents[1] / "fixtures/earlier"


@pytest.fixture
def place(tmp_path, digits):
    """A folder with a saved model of digits, and a folder of twelve of them."""
    shutil.copytree(EARLIER / "saved_models", tmp_path / "saved_models")
    for number, image in enumerate(digits.test.images[:12]):
        (tmp_path / "some").mkdir(exist_ok=True)
        Image.fromarray(image[..., 0]).save(tmp_path / f"some/{number:02}.png")
    return tmp_path


def rows_of(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_encode(place, invoke, digits):
    done = invoke("encode", "complete", "some", "--samples", 5)
    assert (done.returncode, done.stdout) == (0, "12 images through complete in latents.csv\n")
    rows = rows_of(place / "latents.csv")
    assert [row["image"] for row in rows] == [f"{number:02}.png" for number in range(12)]
    found = kvae.encode(kvae.load(place / "saved_models/complete"), digits.test.images[:12], 5)
    for name, values in found.columns(np.zeros(12)).items():
        if name != "image":
            np.testing.assert_array_equal([np.float32(row[name]) for row in rows], values)


def test_a_split_has_labels(place, invoke, digits):
    assert invoke("encode", "complete", "digits", "--split", "test").returncode == 0
    rows = rows_of(place / "latents.csv")
    assert [int(row["label"]) for row in rows] == digits.test.labels.tolist()
    assert rows[3]["image"] == "test 3"


def test_an_output_that_exists_is_kept(place, invoke):
    (place / "latents.csv").write_text("mine")
    done = invoke("encode", "complete", "some/00.png")
    assert done.returncode == 1
    assert "latents.csv exists: give --overwrite, or another --output" in done.stderr
    assert (place / "latents.csv").read_text() == "mine"
    assert invoke("encode", "complete", "some/00.png", "--overwrite").returncode == 0
    assert len(rows_of(place / "latents.csv")) == 1


def test_the_others_are_done_if_a_file_is_damaged(place, invoke):
    for name in "03.png", "05.png":
        (place / "some" / name).write_text("no image")
    done = invoke("encode", "complete", "some")
    assert done.returncode == 1
    assert [line.split(" is not")[0][-6:] for line in done.stderr.splitlines()] == [
        "03.png",
        "05.png",
    ]
    assert len(rows_of(place / "latents.csv")) == 10


def test_score(place, invoke, digits):
    inverted = place / "some/00.png"
    Image.fromarray(255 - digits.test.images[0, ..., 0]).save(inverted)
    done = invoke("score", "complete", "some", "--top", 3, "--json", "--output", "scores.csv")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["model"], found["images"]) == ("complete", 12)
    least = found["least usual"]
    assert len(least) == 3
    assert least[0]["image"] == "00.png"
    rows = rows_of(place / "scores.csv")
    lowest = min(rows, key=lambda row: float(row["bound"]))
    assert float(lowest["bound"]) == pytest.approx(least[0]["bound"])
    shown = invoke("score", "complete", "some", "--top", 1)
    assert shown.stdout.splitlines()[1].split() == ["image", "bound", "percentile"]
    with Image.open(place / "unusual.png") as picture:
        assert picture.height > picture.width


def test_pandas_and_csv_read_the_same_table(place, invoke, digits):
    pandas = pytest.importorskip("pandas")
    arguments = "digits", "--split", "test", "--samples", 4, "--seed", 3
    assert invoke("encode", "complete", *arguments).returncode == 0
    model = kvae.load(place / "saved_models/complete")
    found = kvae.encode(model, digits.test.images, samples=4, seed=3)
    names = [f"test {number}" for number in range(len(digits.test))]
    expected = found.columns(np.array(names), digits.test.labels)
    frame = pandas.read_csv(place / "latents.csv", dtype={"label": int})
    assert list(frame.columns) == list(expected)
    assert frame["image"].tolist() == names
    assert frame["label"].tolist() == digits.test.labels.tolist()
    of_csv = rows_of(place / "latents.csv")
    for name in set(expected) - {"image", "label"}:
        assert expected[name].dtype == np.float32
        np.testing.assert_array_equal(frame[name].to_numpy(np.float32), expected[name])
        np.testing.assert_array_equal([np.float32(row[name]) for row in of_csv], expected[name])


def test_the_auroc_of_inverted_digits(place, command, digits):
    some = digits.test.images[:60]
    # Inverted in part only, or every inverted digit would be less usual than every other.
    changed = some.copy()
    changed[:, :2, :4] = 255 - changed[:, :2, :4]
    inverted = np.concatenate([changed[:40], 255 - some[40:]])
    images = np.concatenate([some, inverted])
    np.save(place / "both.npy", images)
    done = command("score", "complete", "both.npy", "--output", "scores.csv", "--top", 0)
    assert done.returncode == 0, done.stderr
    bounds = np.array([float(row["bound"]) for row in rows_of(place / "scores.csv")])
    model = kvae.load(place / "saved_models/complete")
    own = kvae.score(model, images, digits.validation.images).bounds.astype(np.float64)
    is_inverted = np.repeat([0, 1], 60)
    statistic = mannwhitneyu(own[:60], own[60:]).statistic / 60**2
    assert 0.6 < statistic < 1
    assert roc_auc_score(is_inverted, -bounds) == pytest.approx(statistic, abs=1e-12)
    assert roc_auc_score(is_inverted, -own) == pytest.approx(statistic, abs=1e-12)


def test_interpolate(place, invoke):
    files = [f"some/{number:02}.png" for number in range(3)]
    done = invoke("interpolate", "complete", *files, "--steps", 4, "--output", "ways.npy")
    assert done.stdout == "2 ways of 4 steps through the latents of complete in ways.npy\n"
    assert np.load(place / "ways.npy").shape == (2, 4, 8, 8, 1)
    assert invoke("interpolate", "complete", *files, "--method", "spherical").returncode == 0
    with Image.open(place / "interpolation.png") as picture:
        assert picture.width == 12 * 58 + 2
    one = invoke("interpolate", "complete", files[0])
    assert (one.returncode, "two images or more" in one.stderr) == (2, True)


def test_nearest(place, invoke, digits):
    Image.fromarray(digits.train.images[40, ..., 0]).save(place / "own.png")
    done = invoke("nearest", "complete", "own.png", "--count", 2, "--json")
    first, second = json.loads(done.stdout)
    assert (first["training image"], first["rank"]) == ("40", 1)
    assert first["distance"] == pytest.approx(0, abs=1e-3)
    assert second["distance"] >= first["distance"]
    assert "own.png" in invoke("nearest", "complete", "own.png").stdout


def test_reconstruct(place, invoke, digits):
    done = invoke("reconstruct", "complete", "some", "--output", "some.npy")
    assert done.stdout == "12 images through complete in some.npy\n"
    model = kvae.load(place / "saved_models/complete")
    expected = model.reconstruct(model.inputs(digits.test.images[:12]))
    np.testing.assert_allclose(np.load(place / "some.npy"), expected, atol=1e-5)
    done = invoke("reconstruct", "complete")
    assert done.stdout == "10 images through complete in reconstructions.png\n"


@pytest.mark.parametrize(
    ("command", "advice"), [("interpolate", "name a few images"), ("nearest", "name fewer images")]
)
def test_a_picture_of_too_many_images_is_refused(place, invoke, command, advice):
    option = "--steps" if command == "interpolate" else "--count"
    done = invoke(command, "complete", "digits", option, 10)
    assert (done.returncode, done.stdout) == (1, "")
    assert f"images, and 10,000 are the most: {advice}" in done.stderr
    assert not list(place.glob("*.png"))


def test_images_of_another_size(place, invoke):
    Image.fromarray(np.arange(16 * 20, dtype=np.uint32).astype(np.uint8).reshape(16, 20)).save(
        place / "large.png"
    )
    done = invoke("encode", "complete", "large.png")
    assert done.returncode == 1
    assert "images of 8 x 8 x 1, but these are 16 x 20 x 1: --resize converts them" in done.stderr
    assert not (place / "latents.csv").exists()
    assert invoke("encode", "complete", "large.png", "--resize").returncode == 0
