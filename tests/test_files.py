"""Files and folders appear whole or not at all."""

import os
import stat

import pytest

from kvae.errors import KvaeError
from kvae.files import check_writable, read_json, set_aside, whole_file, whole_folder, write_json


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_whole_file(tmp_path):
    with whole_file(tmp_path / "a.txt") as scratch:
        scratch.write_text("new")
        assert not (tmp_path / "a.txt").exists()
    assert (tmp_path / "a.txt").read_text() == "new"
    assert names(tmp_path) == ["a.txt"]
    mask = os.umask(0)
    os.umask(mask)
    assert stat.S_IMODE((tmp_path / "a.txt").stat().st_mode) == 0o666 & ~mask


def test_whole_file_that_fails_leaves_the_old_one(tmp_path):
    (tmp_path / "a.txt").write_text("old")
    with pytest.raises(ZeroDivisionError), whole_file(tmp_path / "a.txt") as scratch:
        scratch.write_text("half")
        raise ZeroDivisionError
    assert (tmp_path / "a.txt").read_text() == "old"
    assert names(tmp_path) == ["a.txt"]


def test_whole_folder(tmp_path):
    with whole_folder(tmp_path / "deep" / "a") as scratch:
        (scratch / "file").write_text("new")
    assert names(tmp_path / "deep") == ["a"]
    with pytest.raises(FileExistsError), whole_folder(tmp_path / "deep" / "a"):
        pass
    with whole_folder(tmp_path / "deep" / "a", replace=True) as scratch:
        (scratch / "other").write_text("newer")
    assert names(tmp_path / "deep" / "a") == ["other"]
    assert names(tmp_path / "deep") == ["a"]


def test_whole_folder_that_fails_leaves_the_old_one(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "old").touch()
    with (
        pytest.raises(ZeroDivisionError),
        whole_folder(tmp_path / "a", replace=True) as scratch,
    ):
        (scratch / "half").touch()
        raise ZeroDivisionError
    assert names(tmp_path / "a") == ["old"]
    assert names(tmp_path) == ["a"]


def test_set_aside(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "old").touch()
    with pytest.raises(ZeroDivisionError), set_aside(tmp_path / "a"):
        (tmp_path / "a").mkdir()
        raise ZeroDivisionError
    assert names(tmp_path / "a") == ["old"]
    with set_aside(tmp_path / "a"):
        (tmp_path / "a").mkdir()
    assert names(tmp_path / "a") == []
    assert names(tmp_path) == ["a"]


def test_json(tmp_path):
    write_json(tmp_path / "a.json", {"a": [1, 2.5, None]})
    assert read_json(tmp_path / "a.json") == {"a": [1, 2.5, None]}
    with pytest.raises(KvaeError, match="cannot read .*missing.json: No such file"):
        read_json(tmp_path / "missing.json")
    (tmp_path / "b.json").write_bytes(b'{"a": \xff')
    with pytest.raises(KvaeError, match="b.json is not a JSON file"):
        read_json(tmp_path / "b.json")


def test_check_writable(tmp_path):
    check_writable(tmp_path / "new" / "folder")
    assert (tmp_path / "new" / "folder").is_dir()
    (tmp_path / "file").touch()
    with pytest.raises(KvaeError, match="cannot write to the folder .*file"):
        check_writable(tmp_path / "file")
