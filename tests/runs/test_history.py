"""`history.csv`: what is written is what is read, and an unfinished line is left out."""

import pytest

from kvae.errors import KvaeError
from kvae.runs.history import history_file, read_history

ROWS = [
    {"epoch": number, "seconds": 0.5, "validation_elbo": -1 / (2 + number), "objective": "elbo"}
    for number in (1, 2, 3)
]
COLUMNS = {name: [row[name] for row in ROWS] for name in ROWS[0]}


def write(folder, past, new):
    with history_file(folder / "history.csv", past) as append:
        for row in new:
            append(row)


def test_rows_are_read_as_they_were_written(tmp_path):
    write(tmp_path, [], ROWS)
    # Floats have all their digits.
    assert read_history(tmp_path) == COLUMNS
    assert (tmp_path / "history.csv").read_text().splitlines()[0] == ",".join(ROWS[0])


def test_rows_of_epochs_that_are_trained_again_are_replaced(tmp_path):
    write(tmp_path, [], [ROWS[0], ROWS[1] | {"seconds": 9.0}])
    write(tmp_path, ROWS[:1], ROWS[1:])
    assert read_history(tmp_path) == COLUMNS


def test_every_row_is_there_at_once(tmp_path):
    with history_file(tmp_path / "history.csv", []) as append:
        assert read_history(tmp_path) == {}
        append(ROWS[0])
        assert read_history(tmp_path)["epoch"] == [1]


def test_a_line_that_was_not_finished_is_left_out(tmp_path):
    write(tmp_path, [], ROWS)
    text = (tmp_path / "history.csv").read_text()
    (tmp_path / "history.csv").write_text(text[:-3])
    assert read_history(tmp_path)["epoch"] == [1, 2]
    (tmp_path / "history.csv").write_text(text.splitlines()[0][:10])
    assert read_history(tmp_path) == {}


def test_damaged_history(tmp_path):
    for text in "epoch,seconds\n1,0.5\n2\n", "a,b\n1,2\n", "epoch,seconds\n2,0.5\n":
        (tmp_path / "history.csv").write_text(text)
        with pytest.raises(KvaeError, match="history.csv is damaged"):
            read_history(tmp_path)
    with pytest.raises(KvaeError, match="cannot read"):
        read_history(tmp_path / "nothing")
