"""Runs and saved models that are damaged, or made to do harm: one clear line, nothing touched."""

import json
import math
import shutil
from pathlib import Path

import numpy as np
import pytest

import kvae
from kvae.config import read_config
from kvae.data import Dataset, Split
from kvae.runs import folders
from kvae.runs.film import read_frames
from kvae.runs.history import read_history
from kvae.runs.run import resume
from kvae.runs.saved_models import export_run

from ..corruptions import (
    NO_DATA,
    NO_FILE,
    NO_OBJECT,
    PICKLE,
    bomb,
    changed,
    cut,
    damage,
    each,
    flip,
    gone,
    instead,
    npy,
    npz,
    patched,
    refuses,
    sparse,
)

EARLIER = Path(__file__).parents[1] / "fixtures/earlier"
MODEL, RUN = Path("saved_models/complete"), Path("runs/interrupted")


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    """A folder with a saved model and a run that was interrupted."""
    shutil.copytree(EARLIER, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)


# Configurations ---------------------------------------------------------------------------------

HUGE = 10**400
WRONG = {
    int: ["2", 2.5, True, None, [2], {}, -2, HUGE, math.nan, math.inf],
    float: ["fast", True, None, [], {}, -0.5, HUGE, math.nan, math.inf],
    str: [3, None, True, [], {}, ["normal"], "../../x", "os:system", "a\0b", "softmax"],
    bool: ["no", 2, 0.5, None, []],
    list: ["8x8", 8, None, {"8": 8}, [[8]], ["8"], [0.5], [-8], [math.inf], [1] * 100_000],
    dict: ["text", 3, None, []],
    type(None): [{}, [[2]], [0.5, "x"], True, "\0", [8, 8, 8]],
}
"""What cannot be in place of a value of a type. Where there is nothing, an option may be."""
ANY_TEXT = ("dataset", "start_from")


def values(value, *path):
    """Every value in nested dictionaries, with the keys that lead to it."""
    for key, inner in value.items() if isinstance(value, dict) else ():
        yield (*path, key), inner
        yield from values(inner, *path, key)


SPLIT = Split(np.zeros((20, 8, 8, 1), np.uint8))
WHOLE = {
    "earlier": json.loads((EARLIER / RUN / "config.json").read_text()),
    "today's": kvae.configure(Dataset("digits", SPLIT, SPLIT, SPLIT, "black")).to_json(),
}
CONFIG = {
    "earlier": NO_FILE | NO_OBJECT | {
        "a terabyte of nothing": sparse(b"{"),
        "something more": changed("model", "more", to=1),
        "dropout of all": changed("model", "dropout", to=1.0),
        "no epochs at all": changed("training", "epochs", to=0),
        "a million layers": changed("model", "flow_layers", to=10**6),
        "a seed of 40 bits": changed("training", "seed", to=2**40),
        "images of no height": changed("model", "image_shape", to=[0, 8, 1]),
    },
    "today's": {
        f"no {path}": changed(*path.split("."), remove=True)
        for path in ("recipe", "data", "model", "training", "model.latent", "training.epochs")
    },
}  # fmt: skip
for when, whole in WHOLE.items():
    CONFIG[when] |= {
        f"{'.'.join(path)} {wrong!r:.30}": changed(*path, to=wrong)
        for path, value in values(whole)
        for wrong in WRONG[type(value)]
        if not (path[-1] in ANY_TEXT and isinstance(wrong, str) and "\0" not in wrong)
        # Without patience, training keeps the last epoch.
        if not (path[-1] == "patience" and wrong is None)
    }


@each(CONFIG, "when, bad")
def test_config(when, bad):
    damage(RUN / "config.json", json.dumps(WHOLE[when]))
    damage(RUN / "config.json", bad)
    refuses("is not a run or saved model of kvae", read_config, RUN)


OTHER_IMAGES = {
    "/nowhere": [("data", "dataset", "/nowhere/a.npy")],
    "did you mean": [("data", "dataset", "minst")],
    "/dev/zero": [("data", "dataset", "/dev/zero")],
    "its own size": [("data", "image_size", [8, 8])],
    "8 x 8 x 1": [
        ("model", "image_shape", [4, 16, 1]),
        ("model", "image_shape", [10**6, 10**6, 1]),
    ],
}


@each(OTHER_IMAGES)
def test_images_that_a_model_is_not_for(says, bad):
    damage(MODEL / "config.json", changed(*bad[:-1], to=bad[-1]))
    refuses(says, folders.dataset_of, MODEL)


# Weights ----------------------------------------------------------------------------------------


def weights_of(value):
    """The weights of a saved model, all of which are a value, and of its type."""

    def make(path):
        import tensorflow as tf

        shapes = tf.train.load_checkpoint(str(path)).get_variable_to_shape_map()
        names = [name for name in shapes if name.startswith("weights/")]
        names.sort(key=lambda name: int(name.split("/")[1]))
        weights = [tf.Variable(tf.fill(shapes[name], value)) for name in names]
        tf.train.Checkpoint(weights=weights).write(str(path))

    return make


OTHER_MODELS = {
    "hidden": [[9], [8, 8]], "latent": [3], "posterior": ["diagonal"],
    "prior": ["flow"], "likelihood": ["bernoulli"],
}  # fmt: skip
WEIGHTS = {
    "variables": {"nothing": gone, "a file": instead(Path.touch)},
    **{
        f"variables/variables.{file}": NO_FILE
        | NO_DATA
        | {"half": cut(0.5), "flipped bytes": flip(0.2, 0.3, 0.5, 0.8)}
        for file in ("index", "data-00000-of-00001")
    },
    "config.json": {
        f"{option} {value}": changed("model", option, to=value)
        for option, found in OTHER_MODELS.items()
        for value in found
    },
    "variables/variables": {
        str(value): weights_of(value)
        for value in (np.float32(np.nan), np.float32(np.inf), "word", np.float64(1))
    },
}


@pytest.mark.parametrize(
    ("option", "value"), [("hidden", [10**5, 10**5]), ("latent", 10**9), ("components", 10**9)]
)
def test_a_model_that_does_not_fit_into_memory(option, value):
    damage(MODEL / "config.json", changed("model", option, to=value))
    refuses("such a model would take", kvae.load, MODEL)


@each(WEIGHTS, "file, bad")
def test_weights(file, bad):
    damage(MODEL / file, bad)
    refuses("cannot load the weights in", kvae.load, MODEL)


INDEX, DATA = "checkpoints/ckpt-46.index", "checkpoints/ckpt-46.data-00000-of-00001"
OTHER_LATENT = changed("model", "latent", to=3)
CHECKPOINTS = {
    "no checkpoint": {"no folder": ("checkpoints", gone), "no index": (INDEX, gone)},
    "cannot load the weights in": {
        "half an index": (INDEX, cut(0.5)),
        "no data": (DATA, gone),
        "part of the data": (DATA, cut(0.1)),
        "of another model": ("config.json", OTHER_LATENT),
        "best weights that are damaged": ("checkpoints/best.index", b"x"),
    },
}


@each(CHECKPOINTS)
def test_checkpoints_to_export(says, bad):
    damage(RUN / bad[0], bad[1])
    refuses(says, export_run, "interrupted", may=("saved_models",))


RESUMED = {
    "ckpt-46": {"a cut index": (INDEX, cut(0.4)), "another model": ("config.json", OTHER_LATENT)},
    "frames.npz": {"text": ("frames.npz", b"hello"), "nothing": ("frames.npz", gone)},
}


@each(RESUMED)
def test_runs_to_resume(says, bad, digits):
    damage(RUN / bad[0], bad[1])
    refuses(says, resume, digits, "interrupted")


# What a run keeps -------------------------------------------------------------------------------

HEAD, ROW, *_ = (EARLIER / RUN / "history.csv").read_text().splitlines()
HISTORY = {
    "is damaged": {name: NO_DATA[name] for name in NO_DATA if name != "empty"} | {
        "a row alone": f"{ROW}\n",
        "half a row": f"{HEAD}\n{ROW[:20]}\n",
        "a row too long": f"{HEAD}\n{ROW},7,8\n",
        "words for numbers": f"{HEAD}\n{ROW.replace('.', 'x')}\n",
        "other columns": "a,b\n1,2\n",
        "a column missing": f"{HEAD[6:]}\n{ROW[2:]}\n",
        "a column twice": f"epoch,{HEAD}\n1,{ROW}\n",
        **{f"epoch {n}": f"{HEAD}\n{n}{ROW[1:]}\n" for n in ("inf", "nan", "1.5", "2", "0")},
        "an epoch twice": f"{HEAD}\n{ROW}\n{ROW}\n",
        "zero bytes": f"{HEAD}\n{ROW}\0\n",
        "a field of a megabyte": f"{HEAD}\n{'1' * 10**6}{ROW[1:]}\n",
        "a quote that does not end": f'{HEAD}\n"{ROW}\n' * 999,
        "a thousand columns": ",".join(["a"] * 1000) + "\n",
    },
    "history.csv": NO_FILE | {"a terabyte of nothing": sparse(f"{HEAD}\n".encode())},
}  # fmt: skip


@each(HISTORY)
def test_history(says, bad):
    damage(RUN / "history.csv", bad)
    refuses(says, read_history, RUN)


ONE, FILM = np.array([1]), np.zeros((1, 36, 8, 8, 1), np.uint8)
FRAME = npz(epochs=ONE, images=FILM)
FILMS = (
    FILM[..., 0, 0, 0], FILM[..., :0], FILM / 2, FILM.astype(str), FILM[:, :, :0], FILM[:, :0],
)  # fmt: skip
FRAMES = NO_FILE | NO_DATA | {
    "half": FRAME[:150],
    "a flipped byte": FRAME[:60] + bytes([FRAME[60] ^ 255]) + FRAME[61:],
    "an empty archive": npz(),
    "no epochs": npz(images=FILM),
    "no images": npz(epochs=ONE),
    "no frames": npz(epochs=ONE[:0], images=FILM[:0]),
    "more epochs than images": npz(epochs=np.array([1, 2]), images=FILM),
    **{f"images {film.dtype} {film.shape}": npz(epochs=ONE, images=film) for film in FILMS},
    "epochs that are words": npz(epochs=np.array(["one"]), images=FILM),
    "a single epoch": npz(epochs=np.array(1), images=FILM),
    "a pickle inside": npz(epochs=npy("|O", (1,), PICKLE), images=FILM),
    "a bomb": lambda path: path.write_bytes(bomb((20, 8, 8))),
    "a terabyte inside": npz(epochs=ONE, images=npy(shape=(1, 10**6, 1000, 1000, 1))),
    "an unknown compression": patched(FRAME, 10, b"\x63"),
    "encrypted": patched(FRAME, 8, b"\1"),
}  # fmt: skip


@each({"frames.npz is damaged": FRAMES})
def test_frames(says, bad):
    damage(RUN / "frames.npz", bad)
    refuses(says, read_frames, RUN / "frames.npz")


RESULTS = NO_OBJECT | {name: NO_FILE[name] for name in NO_FILE if name != "nothing"} | {
    "words": '{"epochs": "1", "elbo": "high", "kl": "low", "active_units": "2"}',
    "a list": '{"epochs": 1, "elbo": [1], "kl": 0.1, "active_units": 2}',
    "nulls": '{"epochs": 1, "elbo": null, "kl": null, "active_units": null}',
}  # fmt: skip


@each({"results.json": RESULTS})
def test_results(says, bad):
    damage(RUN / "results.json", bad)
    refuses(says, folders.read_results, RUN)
