"""Random command lines and random files: a result or an error of kvae's own, never another."""

import contextlib
import copy
import io
import json
import shutil
import string
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

import kvae
from kvae import registry, runs
from kvae.config import Config, read_config
from kvae.data import Dataset, Split, image_files
from kvae.errors import KvaeError
from kvae.models.weights import restore
from kvae.runs import folders
from kvae.runs.film import read_frames
from kvae.runs.history import read_history
from kvae_cli import main as command_line
from kvae_cli.main import COMMANDS, cli
from kvae_cli.train import train

from ..corruptions import bounded, npz, saved

EARLIER = Path(__file__).parents[1] / "fixtures/earlier"


def fuzzed(examples: int) -> Callable[..., Any]:
    """The same examples every time, as many as there is time for."""
    return settings(
        max_examples=examples,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )


@pytest.fixture(autouse=True)
def within_bounds():
    """Fails a test that takes much memory or a minute."""
    with bounded(60):
        yield


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder whose files are written over and over."""
    return tmp_path_factory.mktemp("fuzz")


@pytest.fixture(scope="module")
def dataset():
    """Twenty images."""
    split = Split(np.zeros((20, 4, 4, 1), np.uint8))
    return Dataset("made", split, split, split, "made up")


# The command line -------------------------------------------------------------------------------

numbers = st.one_of(
    st.integers(-2, 70),
    st.sampled_from([2**31 - 1, 2**31, 2**63, 10**18, 10**30, -(2**63)]),
    st.floats(),
)
known = [*registry.PRIORS, *registry.LIKELIHOODS, *registry.BOUNDS, *registry.ESTIMATORS]
strange = ["", ".", "..", "-", "--", "../../x", "\x1b[31m", "a\nb", "\udcff", "none", "true", "nan"]
words = st.one_of(st.sampled_from([*known, *strange]), st.text(max_size=12))
values = st.one_of(numbers, words, st.booleans(), st.none(), st.lists(numbers, max_size=3))
option_names = st.sampled_from(
    sorted({param.name for param in train.params} | {"weight_prior", "initial_stddev", "nothing"})
)


@fuzzed(250)
@given(
    options=st.dictionaries(option_names, values, max_size=5),
    recipe=st.sampled_from(["reference", "paper", "best", "nothing"]),
)
def test_any_options_are_a_configuration_or_an_error(dataset, options, recipe):
    options.pop("recipe", None)
    options.pop("dataset", None)
    try:
        config = kvae.configure(dataset, recipe, **options)
    except KvaeError:
        return
    assert Config.from_json(config.to_json()) == config


typed = st.one_of(
    numbers.map(str),
    words,
    st.lists(st.integers(-1, 300).map(str), max_size=3).map(",".join),
    st.sampled_from(["file", "digits", "earlier", "a.png", "a.npy", "8x8", "0x0", "x" * 5000]),
)
others = ("--count", "--output", "--only", "--split", "--jobs", "--sweeps", "--format", "--nothing")
flags = st.sampled_from([*sorted({n for param in train.params for n in param.opts}), *others])
lines = st.tuples(
    st.sampled_from([*COMMANDS, "data prepare", "data list", "nothing"]),
    st.lists(st.one_of(typed, st.tuples(flags, typed), flags), max_size=5),
)


@fuzzed(150)
@given(line=lines)
def test_any_command_line_ends_with_a_result_or_one_line(place, line):
    words = line[0].split()
    for given_word in line[1]:
        words += [given_word] if isinstance(given_word, str) else given_word
    # Up to where the work would begin: what is typed is what is tried here.
    stop = mock.Mock(side_effect=KvaeError("the work would begin"))
    with (
        contextlib.chdir(place),
        mock.patch.object(command_line.startup, "install"),
        mock.patch.object(runs, "start", stop),
        mock.patch("kvae.experiments.sweeps.sweep", stop),
        mock.patch("kvae.reproduction.reproduce.reproduce", stop),
        mock.patch("kvae.data.tfds.load_any", stop),
        mock.patch("kvae.data.tfds.load_built_in", stop),
    ):
        result = CliRunner().invoke(cli, words)
    assert result.exit_code in (0, 1, 2), words
    if not isinstance(result.exception, SystemExit | None):
        raise result.exception
    if result.exit_code:
        assert result.stderr.splitlines()[-1].startswith("Error: ") or not words[1:]


# Files ------------------------------------------------------------------------------------------


@st.composite
def mutated(draw: st.DrawFn, whole: bytes) -> bytes:
    """A file with some bytes changed, left out or put in; or nothing like it."""
    data = bytearray(whole)
    for _ in range(draw(st.integers(0, 4))):
        place = draw(st.integers(0, max(0, len(data) - 1)))
        kind = draw(st.sampled_from(["change", "cut", "insert", "repeat", "fill"]))
        if kind == "change" and data:
            data[place] = draw(st.integers(0, 255))
        elif kind == "cut":
            del data[place : place + draw(st.integers(1, max(1, len(data))))]
        elif kind == "insert":
            data[place:place] = draw(st.binary(max_size=8))
        elif kind == "repeat":
            data[place:place] = data[place : place + draw(st.integers(1, 64))]
        else:
            filler = draw(st.sampled_from([b"\xff", b"\0", b"9", b"["]))
            data[place : place + 8] = filler * draw(st.integers(1, 16))
    return bytes(data)


def anything_like(whole: bytes) -> st.SearchStrategy[bytes]:
    """Mutations of a file, and now and then bytes that are nothing like it."""
    return st.one_of(mutated(whole), mutated(whole), mutated(whole), st.binary(max_size=64))


def survives(path: Path, content: bytes, read: Callable[[Path], Any]) -> None:
    """A reader gives a result or an error of kvae's own."""
    path.write_bytes(content)
    with contextlib.suppress(KvaeError):
        read(path)


IMAGES = np.arange(12 * 3 * 4, dtype=np.uint8).reshape(12, 3, 4)


@fuzzed(150)
@given(content=anything_like(saved(IMAGES)))
def test_npy(place, content):
    survives(place / "a.npy", content, kvae.data.load)


STORED = io.BytesIO()
np.savez(STORED, IMAGES)


@fuzzed(150)
@given(
    content=anything_like(npz(x_train=IMAGES, y_train=np.arange(12)))
    | anything_like(STORED.getvalue())
)
def test_npz(place, content):
    survives(place / "a.npz", content, kvae.data.load)


def picture(kind: str) -> bytes:
    """A small image."""
    file = io.BytesIO()
    Image.fromarray(IMAGES[0]).save(file, kind)
    return file.getvalue()


def read_all(path):
    return list(image_files.read(path, path.name))


@pytest.mark.parametrize("kind", ["PNG", "GIF", "BMP", "TIFF", "JPEG", "PPM", "WEBP"])
def test_images(place, kind):
    @fuzzed(50)
    @given(content=anything_like(picture(kind)))
    def read(content: bytes) -> None:
        survives(place / f"a.{kind.lower()}", content, read_all)

    read()


leaves = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-5, 5),
    st.sampled_from([10**9, 2**40, 10**400, float("nan"), float("inf"), -float("inf"), 0.5]),
    st.sampled_from(["", "normal", "../../x", "a\0b", "os:system"]),
    st.text(string.printable, max_size=5),
)
json_values = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=5,
)


@st.composite
def exchanged(draw: st.DrawFn, root: Any) -> Any:
    """A JSON value with some of its parts exchanged, or gone."""
    root = copy.deepcopy(root)
    for _ in range(draw(st.integers(1, 3))):
        inner, key = {"root": root}, "root"
        while isinstance(inner[key], dict) and inner[key] and draw(st.booleans()):
            inner = inner[key]
            key = draw(st.sampled_from(sorted(inner)))
        if key != "root" and draw(st.integers(0, 4)) == 0:
            del inner[key]
        elif key != "root":
            inner[key] = draw(json_values)
    return root


@fuzzed(250)
@given(data=st.data())
def test_config(place, dataset, data):
    whole = kvae.configure(dataset).to_json()
    text = json.dumps(data.draw(exchanged(whole)))
    content = data.draw(st.one_of(st.just(text.encode()), anything_like(text.encode())))
    survives(place / "config.json", content, lambda path: read_config(path.parent))


@fuzzed(100)
@given(data=st.data())
def test_results(place, data):
    whole = {"elbo": -3.5, "kl": 2.0, "active_units": 2, "training_seconds": 5.5}
    text = json.dumps(data.draw(exchanged(whole)))
    content = data.draw(st.one_of(st.just(text.encode()), anything_like(text.encode())))

    def read(path: Path) -> None:
        results = folders.read_results(path.parent)
        assert results is not None
        # What tables do with them.
        assert [f"{results[name]:.2f}" for name in whole if name in results]

    run = place / "run"
    run.mkdir(exist_ok=True)
    shutil.copy(EARLIER / "runs/interrupted/config.json", run)
    survives(run / "results.json", content, read)


@fuzzed(200)
@given(content=anything_like((EARLIER / "runs/interrupted/history.csv").read_bytes()))
def test_history(place, content):
    survives(place / "history.csv", content, lambda path: read_history(path.parent))


@fuzzed(150)
@given(content=anything_like(npz(epochs=np.array([1, 2]), images=np.zeros((2, 3, 4, 4, 1), "u1"))))
def test_frames(place, content):
    def read(path: Path) -> None:
        frames = read_frames(path)
        kvae.figures.animation(frames["images"], frames["epochs"])

    survives(place / "frames.npz", content, read)


@pytest.fixture(scope="module")
def small(dataset, place):
    """A model, and where its weights are."""
    model = kvae.build(kvae.configure(dataset, hidden=(3,), latent=2))
    return model, kvae.save(model, place / "model") / "variables"


@pytest.mark.parametrize("file", ["variables.index", "variables.data-00000-of-00001"])
def test_weights(small, file):
    model, variables = small
    whole = (variables / file).read_bytes()

    @fuzzed(60)
    @given(content=anything_like(whole))
    def read(content: bytes) -> None:
        survives(variables / file, content, lambda path: restore(model, path.parent / "variables"))

    read()
    (variables / file).write_bytes(whole)
