"""Folders of runs and of saved models: their names, and how they are found again."""

import json
import os

import pytest

import kvae
from kvae.errors import KvaeError, UsageError
from kvae.runs import folders

from .making import start


def make(folder, *files):
    """The folder of a run or of a saved model, which was changed a second after the one before."""
    folder.mkdir(parents=True)
    for name in ("config.json", *files):
        (folder / name).write_text("{}")
    when = 10**9 + len(list(folder.parent.iterdir()))
    os.utime(folder / "config.json", (when, when))
    return folder


def choose(places, name=None, base="digits-z2", overwrite=False):
    return folders.choose_name(base, name, **places, overwrite=overwrite)


def test_names(places):
    assert choose(places) == "digits-z2"
    make(places["runs"] / "digits-z2")
    assert choose(places) == "digits-z2-2"
    # A name is taken by a saved model, too.
    make(places["models"] / "digits-z2-2")
    assert choose(places) == "digits-z2-3"
    assert choose(places, "mine") == "mine"
    for name in "", "../x", "a/b", ".hidden", "-x", "a b", "x" * 101:
        with pytest.raises(UsageError, match="must be letters, digits"):
            choose(places, name)
    for name, stem in (
        ("digits", "digits"),
        ("frey/blocks", "frey-blocks"),
        ("tfds:a/b", "tfds-a-b"),
        ("/a/c d.npz", "c-d"),
    ):
        assert folders.stem(name) == stem


def test_a_name_that_is_taken(places):
    make(places["runs"] / "half")
    make(places["runs"] / "mine", "results.json")
    make(places["models"] / "model")
    with pytest.raises(KvaeError, match="runs/mine exists already: choose another `name`, or `ov"):
        choose(places, "mine")
    with pytest.raises(KvaeError, match="models/model exists already: choose another `name`, or"):
        choose(places, "model")
    with pytest.raises(KvaeError, match="choose another `name`, resume it with `resume=half`, or"):
        choose(places, "half")
    for name in "half", "mine", "model":
        assert choose(places, name, overwrite=True) == name


def test_a_run_without_a_name_takes_the_next_free_one(few_digits, places):
    make(places["runs"] / "digits-z2")
    assert start(few_digits, places, epochs=1).folder == places["runs"] / "digits-z2-2"


def test_find(places, tmp_path):
    with pytest.raises(KvaeError, match="no saved model in .*models yet: kvae train makes one"):
        folders.find(None, places["models"], "saved model")
    one = make(places["models"] / "one")
    two = make(places["models"] / "two")
    (places["models"] / ".one.abcdefgh").mkdir()
    assert folders.find(None, places["models"], "saved model") == two
    assert folders.find("one", places["models"], "saved model") == one
    assert folders.find(str(one), tmp_path, "saved model") == one
    with pytest.raises(KvaeError, match="no saved model 'ones' .*did you mean 'one'"):
        folders.find("ones", places["models"], "saved model")
    assert folders.listing(places["models"]) == [one, two]
    assert folders.listing(places["runs"]) == []


def test_results(tmp_path, few_digits):
    config = kvae.configure(few_digits).to_json()
    (tmp_path / "config.json").write_text(json.dumps(config))
    assert folders.read_results(tmp_path) is None
    assert not folders.is_complete(tmp_path)
    results = tmp_path / "results.json"
    results.write_text('{"elbo": -1.5, "split": "test"}')
    assert folders.is_complete(tmp_path)
    assert folders.read_results(tmp_path) == {"elbo": -1.5, "split": "test"}
    results.write_text('{"elbo": -1.5, "images": "all"}')
    with pytest.raises(KvaeError, match="it has no number for 'images'"):
        folders.read_results(tmp_path)
    results.write_text('{"split": "test"}')
    with pytest.raises(KvaeError, match="it has none of elbo, reconstruction, kl, active_units"):
        folders.read_results(tmp_path)
