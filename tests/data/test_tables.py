"""Tables of numbers: what is read, what is refused, and in which units a model sees them."""

import numpy as np
import pytest

import kvae
from kvae.data import pictures
from kvae.data.columns import Columns
from kvae.data.tables import read_table, write_table
from kvae.errors import KvaeError

NAMES = ("height", "year", "always", "weight, kg")
ROWS = np.random.default_rng(0).normal([1.7, 2000, 3, 70], [0.1, 1e-3, 0, 9], (40, 4))
WHOLE = "a,b\n" + "".join(f"{n},{n * n}\n" for n in range(12))


@pytest.fixture
def table(tmp_path):
    write_table(ROWS, NAMES, tmp_path / "table.csv")
    return tmp_path / "table.csv"


def test_a_table_is_read_back_exactly(table, tmp_path):
    assert table.read_text().startswith('height,year,always,"weight, kg"\n')
    found = read_table(table)
    assert found.names == NAMES
    np.testing.assert_array_equal(found.rows, ROWS)
    for name, names in ("none.csv", ()), ("rows.npy", ()):
        write_table(ROWS, names, tmp_path / name)
        found = read_table(tmp_path / name)
        assert found.names == ()
        np.testing.assert_array_equal(found.rows, ROWS)


def test_what_spreadsheets_write_is_read(tmp_path):
    (tmp_path / "a.csv").write_bytes('\ufeff"a", b \r\n"1", 2e3\r\n-.5,+4\r\n\r\n'.encode())
    found = read_table(tmp_path / "a.csv")
    assert found.names == ("a", "b")
    np.testing.assert_array_equal(found.rows, [[1, 2000], [-0.5, 4]])


def test_columns_are_standardised_over_the_training_rows(table, tmp_path):
    dataset = kvae.data.load(table)
    columns = dataset.columns
    assert dataset.image_shape == (3, 1, 1)
    assert [len(dataset.split(part)) for part in ("train", "validation", "test")] == [32, 4, 4]
    assert columns.names == NAMES
    assert columns.means[2] == 3
    assert columns.varying.tolist() == [True, True, False, True]
    train = dataset.train.images.reshape(32, 3)
    np.testing.assert_allclose(train.mean(axis=0), 0, atol=1e-6)
    np.testing.assert_allclose(train.std(axis=0), 1, atol=1e-6)
    every = np.concatenate([dataset.train.images, dataset.validation.images, dataset.test.images])
    back = columns.rows(every)
    back, expected = (each[np.argsort(each[:, 0])] for each in (back, ROWS))
    # The digits of the years, which float32 does not have, are kept.
    assert (np.abs(back - expected) <= [1e-7, 1e-9, 0, 1e-5]).all()
    assert columns.log_scale == pytest.approx(np.log(np.array(columns.stddevs)[[0, 1, 3]]).sum())
    np.save(tmp_path / "rows.npy", ROWS)
    same = kvae.data.load(tmp_path / "rows.npy")
    np.testing.assert_array_equal(same.train.images, dataset.train.images)
    assert same.columns.names == ()
    assert "'always' is 3 in all training rows, and is left out" in dataset.remarks[0]


def test_equal_rows_are_in_the_same_split_and_few_values_are_remarked_on(tmp_path):
    few = np.repeat(np.random.default_rng(0).integers(0, 6, (60, 3)), 2, axis=0)
    np.save(tmp_path / "few.npy", few.astype(float))
    dataset = kvae.data.load(tmp_path / "few.npy")
    keys = [
        {row.tobytes() for row in dataset.split(part).images}
        for part in ("train", "validation", "test")
    ]
    assert not keys[0] & keys[1]
    assert not keys[0] & keys[2]
    assert len(dataset.remarks) == 2
    assert "rows are equal to others" in dataset.remarks[0]
    assert "have fewer than 10 different values" in dataset.remarks[1]


def test_a_configuration_holds_the_columns(table):
    config = kvae.configure(kvae.data.load(table))
    assert type(config).from_json(config.to_json()) == config
    assert config.data.columns == kvae.data.load(table).columns
    for part, wrong in (
        ("column_means", [1.0]),
        ("column_stddevs", [1.0, -1.0, 1.0, 1.0]),
        ("column_names", [1, 2, 3, 4]),
        ("numbers", False),
    ):
        broken = config.to_json()
        broken["data"][part] = wrong
        with pytest.raises(KvaeError, match="not a configuration of kvae"):
            type(config).from_json(broken)


def test_a_model_sees_a_table_in_its_own_units(table, tmp_path):
    dataset = kvae.data.load(table)
    other = ROWS[:5] * 2 + 1
    write_table(other, NAMES, tmp_path / "other.csv")
    found = pictures(tmp_path / "other.csv", (3, 1, 1), columns=dataset.columns)
    np.testing.assert_array_equal(found.images, dataset.columns.images(other))
    assert found.names.tolist() == list("01234")
    assert found.item == "row"
    test = pictures(table, (3, 1, 1), split="test", columns=dataset.columns)
    np.testing.assert_array_equal(test.images, dataset.test.images)
    # Loaded with the columns of a model, the training rows of another file are not standardised.
    write_table(ROWS * 2 + 1, NAMES, tmp_path / "other.csv")
    loaded = kvae.data.load(tmp_path / "other.csv", columns=dataset.columns)
    assert loaded.columns == dataset.columns
    assert abs(loaded.train.images[:, 0].mean()) > 5


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (WHOLE.replace("3,9", "3,"), "line 5, column 'b' is empty"),
        (WHOLE.replace("3,9", "3,9,27"), "line 5 has 3 columns, but the first has 2 columns"),
        (WHOLE.replace("3,9", "3"), "line 5 has 1 column, but the first has 2 columns"),
        (WHOLE.replace("3,9", "three,9"), "line 5, column 'a' is 'three', which is no number"),
        (WHOLE.replace("3,9", "3,NaN"), "line 5, column 'b' is NaN; numbers must be finite"),
        (WHOLE.replace("3,9", "-inf,9"), "line 5, column 'a' is -inf"),
        (WHOLE.replace("3,9", "3_0,9"), "line 5, column 'a' is '3_0', which is no number"),
        (WHOLE.replace("3,9", ""), "line 5 is empty, and others follow"),
        (WHOLE.replace(",", ";"), "line 2, column 'a;b' is '0;0', which is no number: columns"),
        (WHOLE.replace("a,b", "a,a"), "two columns called 'a'"),
        (WHOLE.replace("a,b", ",b"), "line 1 has no name for column 1"),
        (WHOLE.replace("a,b", "a,1"), "line 1, column 1 is 'a', which is no number"),
        (WHOLE.replace("3,9", '3,"9'), "is not a .csv file in UTF-8"),
        (WHOLE.encode().replace(b"a", b"\xe4"), "is not a .csv file in UTF-8"),
        ("\n".join(WHOLE.split("\n")[:10]), "has 9 rows; at least 10 are needed"),
        ("a,b\n", "has no rows of numbers"),
        ("", "has no rows of numbers"),
        ("a,b\n" + "1,2\n" * 20, "all training rows of .* are the same"),
        (WHOLE.replace("3,9", "3,1e300"), "whose squares are too large"),
        (np.where(ROWS[7, 1] == ROWS, np.nan, ROWS), "row 7, column 1, from 0, is nan"),
        (ROWS[:9], "has 9 rows"),
        (ROWS.astype(np.uint8), "but is 40 x 4: a table of numbers is"),
        (None, "cannot read .*: No such file"),
    ],
)
def test_what_is_no_table_is_refused_with_its_place(tmp_path, content, message):
    path = tmp_path / ("a.npy" if isinstance(content, np.ndarray) else "a.csv")
    if isinstance(content, np.ndarray):
        np.save(path, content)
    elif content is not None:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(KvaeError, match=message) as raised:
        kvae.data.load(path)
    assert str(path) in str(raised.value)
    assert "\n" not in str(raised.value)


def test_another_table_than_the_models_is_refused(table, tmp_path):
    columns = kvae.data.load(table).columns
    assert isinstance(columns, Columns)

    def refused(names, rows=ROWS, path="other.csv"):
        write_table(rows, names, tmp_path / path)
        with pytest.raises(KvaeError) as raised:
            pictures(tmp_path / path, (3, 1, 1), columns=columns)
        return str(raised.value)

    assert "has 3 columns, but the model is of a table of 4" in refused(NAMES[:3], ROWS[:, :3])
    assert "has 3 columns" in refused((), ROWS[:, :3], "other.npy")
    swapped = refused(("year", "height", *NAMES[2:]))
    assert "column 1 of" in swapped
    assert "is 'year', but that of the model's table is 'height'" in swapped
    with pytest.raises(KvaeError, match="digits is none"):
        pictures("digits", (3, 1, 1), columns=columns)
    with pytest.raises(KvaeError, match="2 files were given"):
        pictures([table, table], (3, 1, 1), columns=columns)
    with pytest.raises(KvaeError, match="is a table of numbers, but the model is of images"):
        pictures(table, (8, 8, 1))
    with pytest.raises(KvaeError, match="is used at its own size"):
        kvae.data.load(table, image_size=(3, 3))
