"""Atomic files and folders, locks, and what killed processes leave."""

import contextlib
import json
import os
import stat
import tempfile

import pytest

from kvae.errors import KvaeError
from kvae.io import files, locks
from kvae.io.files import atomic_file, atomic_folder, check_writable, write_json


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_atomic_file(tmp_path):
    with atomic_file(tmp_path / "a.txt") as scratch:
        scratch.write_text("new")
        assert not (tmp_path / "a.txt").exists()
    assert (tmp_path / "a.txt").read_text() == "new"
    assert names(tmp_path) == ["a.txt"]
    mask = os.umask(0)
    os.umask(mask)
    assert stat.S_IMODE((tmp_path / "a.txt").stat().st_mode) == 0o666 & ~mask


def test_atomic_file_that_fails_leaves_the_old_one(tmp_path):
    (tmp_path / "a.txt").write_text("old")
    with pytest.raises(ZeroDivisionError), atomic_file(tmp_path / "a.txt") as scratch:
        scratch.write_text("half")
        raise ZeroDivisionError
    assert (tmp_path / "a.txt").read_text() == "old"
    assert names(tmp_path) == ["a.txt"]


def test_atomic_folder(tmp_path):
    with atomic_folder(tmp_path / "deep" / "a") as scratch:
        (scratch / "file").write_text("new")
    assert names(tmp_path / "deep") == ["a"]
    with pytest.raises(FileExistsError), atomic_folder(tmp_path / "deep" / "a"):
        pass
    with atomic_folder(tmp_path / "deep" / "a", replace=True) as scratch:
        (scratch / "other").write_text("newer")
    assert names(tmp_path / "deep" / "a") == ["other"]
    assert names(tmp_path / "deep") == ["a"]


def test_atomic_folder_that_fails_leaves_the_old_one(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "old").touch()
    with (
        pytest.raises(ZeroDivisionError),
        atomic_folder(tmp_path / "a", replace=True) as scratch,
    ):
        (scratch / "half").touch()
        raise ZeroDivisionError
    assert names(tmp_path / "a") == ["old"]
    assert names(tmp_path) == ["a"]


@pytest.mark.parametrize("exchange", [True, False])
def test_a_folder_takes_the_place_of_another(tmp_path, monkeypatch, exchange):
    if not exchange:
        monkeypatch.setattr(files, "_exchange", lambda one, other: False)
        (tmp_path / ".old.old" / "of a killed process").mkdir(parents=True)
    for name in "old", "new":
        (tmp_path / name).mkdir()
        (tmp_path / name / name).touch()
    with pytest.raises(FileExistsError):
        files.move_folder(tmp_path / "new", tmp_path / "old", replace=False)
    files.move_folder(tmp_path / "new", tmp_path / "old", replace=True)
    assert names(tmp_path / "old") == ["new"]
    assert names(tmp_path / "new") == ["old"]
    files.move_folder(tmp_path / "new", tmp_path / "free", replace=True)
    assert names(tmp_path) == ["free", "old"]


def test_a_folder_that_came_to_be_meanwhile_is_left(tmp_path):
    with pytest.raises(FileExistsError), atomic_folder(tmp_path / "a") as scratch:
        (scratch / "late").touch()
        (tmp_path / "a").mkdir()
        (tmp_path / "a" / "first").touch()
    assert names(tmp_path / "a") == ["first"]
    assert names(tmp_path) == ["a"]


def test_what_a_killed_process_left_is_removed(tmp_path):
    kept = [".replaces", ".gitignore", "a", ".b.txt.abcdefgh.bak.txt", ".a.short.txt"]
    left = [".a.abcdefgh", ".a.txt.ab_d3fgh.txt", ".b.01234567"]
    for name in kept + left:
        (tmp_path / name).touch()
    files.remove_scratch(tmp_path, "b")
    assert names(tmp_path) == sorted(kept + left[:2])
    with (
        contextlib.suppress(ZeroDivisionError),
        atomic_file(tmp_path / "a.txt") as scratch,
        atomic_folder(tmp_path / "c") as folder,
    ):
        (tmp_path / "saved").mkdir()
        for path in scratch, folder:
            (tmp_path / "saved" / path.name).touch()
        raise ZeroDivisionError
    assert len(names(tmp_path / "saved")) == 2
    files.remove_scratch(tmp_path)
    assert names(tmp_path) == sorted([*kept, "saved"])
    assert names(tmp_path / "saved") == []


def test_what_a_killed_process_left_of_a_folder_is_removed_by_the_next(tmp_path):
    (tmp_path / ".a.abcdefgh" / "deep").mkdir(parents=True)
    with pytest.raises(FileExistsError), atomic_folder(tmp_path / "a") as slow:
        assert names(tmp_path) == [slow.name]
        # Nothing is taken from a process that is alive.
        with atomic_folder(tmp_path / "a") as fast:
            assert names(tmp_path) == sorted([slow.name, fast.name])
            (fast / "first").touch()
    assert names(tmp_path) == ["a"]
    assert names(tmp_path / "a") == ["first"]


@pytest.fixture(params=[True, False], ids=["flock", "windows"])
def system(request, monkeypatch, tmp_path):
    """A system that locks folders, and one that does not."""
    monkeypatch.setattr(locks, "HAS_FLOCK", request.param)
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))


@pytest.mark.usefixtures("system")
def test_a_folder_stays_locked(tmp_path):
    with contextlib.ExitStack() as stack:
        with atomic_folder(tmp_path / "a", locks=stack):
            pass
        with pytest.raises(KvaeError, match="in use"), locks.locked(tmp_path / "a"):
            pass
        with (
            pytest.raises(KvaeError, match="in use"),
            atomic_folder(tmp_path / "a", replace=True),
        ):
            pass
    with locks.locked(tmp_path / "a"):
        pass


@pytest.mark.usefixtures("system")
def test_a_folder_that_replaces_one_stays_locked(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a/old").touch()
    with contextlib.ExitStack() as stack:
        with atomic_folder(tmp_path / "a", replace=True, locks=stack) as scratch:
            (scratch / "new").touch()
            with pytest.raises(KvaeError, match="in use"), locks.locked(tmp_path / "a"):
                pass
        assert names(tmp_path / "a") == ["new"]
        with pytest.raises(KvaeError, match="in use"), locks.locked(tmp_path / "a"):
            pass
    with locks.locked(tmp_path / "a"):
        pass
    assert names(tmp_path) == ["a", "temporary"]


@pytest.mark.usefixtures("system")
def test_a_folder_in_use(tmp_path):
    folder = tmp_path / "a"
    folder.mkdir()
    with locks.locked(folder):
        with pytest.raises(KvaeError, match="in use by another process"), locks.locked(folder):
            pass
        assert names(folder) == []
    with locks.locked(folder):
        pass


@pytest.mark.parametrize("exchange", [True, False])
def test_a_folder_that_is_replaced_is_never_lost(tmp_path, monkeypatch, exchange):
    if not exchange:
        monkeypatch.setattr(files, "_exchange", lambda one, other: False)
    for name in "old", "new":
        (tmp_path / name).mkdir()
        (tmp_path / name / name).touch()
    rename, seen = os.rename, []

    def watched(*arguments, **options):
        rename(*arguments, **options)
        seen.append(names(tmp_path))

    monkeypatch.setattr(os, "rename", watched)
    files.move_folder(tmp_path / "new", tmp_path / "old", replace=True)
    # Wherever the process is killed, the old folder is at its name or at this one.
    steps = [[".old.old", "new"], [".old.old", "old"], ["new", "old"]]
    assert seen == ([] if exchange else steps)


def test_write_json(tmp_path):
    write_json(tmp_path / "a.json", {"a": [1, 2.5, None]})
    text = (tmp_path / "a.json").read_text()
    assert text == '{\n  "a": [\n    1,\n    2.5,\n    null\n  ]\n}\n'


def test_check_writable(tmp_path):
    check_writable(tmp_path / "new" / "folder")
    assert (tmp_path / "new" / "folder").is_dir()
    (tmp_path / "file").touch()
    with pytest.raises(KvaeError, match="cannot write to the folder .*file"):
        check_writable(tmp_path / "file")


def test_json_has_no_numbers_that_are_not_finite(tmp_path):
    value = {"a": [1.5, float("nan"), (float("inf"), "NaN")], "b": {"c": -float("inf")}, "d": True}
    write_json(tmp_path / "a.json", value)
    text = (tmp_path / "a.json").read_text()
    assert json.loads(text, parse_constant=pytest.fail) == {
        "a": [1.5, None, [None, "NaN"]], "b": {"c": None}, "d": True
    }  # fmt: skip
