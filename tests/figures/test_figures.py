"""Figures and grids of images show the arrays that they were made from."""

import numpy as np
import pytest
from PIL import Image
from scipy.stats import norm
from sklearn.neighbors import KNeighborsClassifier
from threadpoolctl import threadpool_info, threadpool_limits

from kvae import figures
from kvae.metrics import Metric

METRICS = [Metric(name, name) for name in ("elbo", "reconstruction", "kl", "not_plotted")]


def images_of(count, height=8, width=6, channels=1):
    return np.random.default_rng(0).uniform(size=(count, height, width, channels))


@pytest.mark.parametrize("channels", [1, 3])
def test_tile_holds_every_image_in_order(channels):
    images = images_of(7, channels=channels)
    grid = figures.tile(images, columns=3)
    scale = 7  # 56 / 8
    assert grid.shape == (3 * (8 * scale + 2) + 2, 3 * (6 * scale + 2) + 2, channels)
    for index, image in enumerate(images):
        top, left = index // 3 * (8 * scale + 2) + 2, index % 3 * (6 * scale + 2) + 2
        shown = grid[top : top + 8 * scale : scale, left : left + 6 * scale : scale]
        np.testing.assert_array_equal(shown, np.round(image * 255))
    assert np.all(grid[-8 * scale :, -6 * scale :] == 255)


def test_tile_is_square_by_default():
    assert figures.tile(images_of(64, 28, 28)).shape == (8 * 58 + 2, 8 * 58 + 2, 1)


@pytest.mark.parametrize(("count", "rows"), [(4, 2), (10, 2), (13, 4), (20, 4)])
def test_pairs_are_above_each_other(count, rows):
    above, below = np.zeros((count, 28, 28, 1)), np.full((count, 28, 28, 1), 0.5)
    grid = figures.pairs(above, below)
    columns = min(count, 10)
    assert grid.shape == (rows * 58 + 2, columns * 58 + 2, 1)
    middles = grid[30::58, 30::58, 0]
    assert middles.shape == (rows, columns)
    assert (middles[0] == 0).all()
    assert (middles[1] == 128).all()
    assert (middles == 0).sum() == (middles == 128).sum() == count


def test_sprite_is_a_square_of_squares():
    images = images_of(5, 4, 3)
    sheet = figures.sprite(images)
    assert sheet.shape == (3 * 4, 3 * 3, 1)
    np.testing.assert_array_equal(sheet[4:8, 3:6], np.round(images[4] * 255))
    assert (sheet[8:] == 0).all()


def test_manifold_latents_split_the_prior_evenly():
    latents = figures.manifold_latents(5).reshape(5, 5, 2)
    shares = norm.cdf(latents)
    np.testing.assert_allclose(shares[0, :, 0], [0.1, 0.3, 0.5, 0.7, 0.9], atol=1e-6)
    np.testing.assert_allclose(shares[:, 0, 1], [0.9, 0.7, 0.5, 0.3, 0.1], atol=1e-6)


@pytest.mark.parametrize("channels", [2, 5])
def test_channels_that_are_not_colours_are_drawn_as_colours(channels):
    images = images_of(4, channels=channels)
    drawn = np.zeros((4, 8, 6, 3))
    drawn[..., : min(3, channels)] = images[..., :3]
    for draw in figures.tile, figures.sprite, lambda some: figures.pairs(some, some):
        np.testing.assert_array_equal(draw(images), draw(drawn))


@pytest.mark.parametrize(("channels", "mode"), [(1, "L"), (3, "RGB")])
def test_png_round_trip(tmp_path, channels, mode):
    image = np.random.default_rng(0).integers(0, 256, (9, 7, channels), np.uint8)
    figures.save_png(image, tmp_path / "a.png")
    opened = Image.open(tmp_path / "a.png")
    assert opened.mode == mode
    np.testing.assert_array_equal(np.asarray(opened).reshape(image.shape), image)


@pytest.mark.parametrize("epochs", [1, 2, 50])
def test_history_draws_every_epoch(epochs):
    rng = np.random.default_rng(0)
    columns = {
        f"{split}_{metric.name}": rng.standard_normal(epochs).tolist()
        for split in ("train", "validation")
        for metric in METRICS[:3]
    }
    columns["epoch"] = list(range(1, epochs + 1))
    figure = figures.history(columns, METRICS, 1439, "digits")
    assert figure.get_suptitle() == "digits"
    for row, unit in enumerate((1, 1439)):
        for axes, term in zip(
            figure.axes[3 * row : 3 * row + 3], ("elbo", "reconstruction", "kl"), strict=True
        ):
            train, validation = axes.lines
            np.testing.assert_array_equal(train.get_ydata(), columns[f"train_{term}"])
            np.testing.assert_array_equal(validation.get_ydata(), columns[f"validation_{term}"])
            np.testing.assert_array_equal(train.get_xdata(), unit * np.arange(1, epochs + 1))
            assert axes.get_xlabel() == ("images seen" if row else "epochs")
            assert axes.get_xscale() == ("log" if row else "linear")
            # A line through one point is invisible, so a marker is drawn.
            assert (train.get_marker() != "None") == (epochs == 1)
    assert figure.axes[0].get_ylabel() == "nats an image"


def test_kl_bars_are_in_order_and_named():
    figure = figures.kl_bars(np.array([0.5, 3.0, 1.0]), "digits")
    (axes,) = figure.axes
    assert [bar.get_height() for bar in axes.patches] == [3.0, 1.0, 0.5]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["2", "3", "1"]


@pytest.mark.parametrize("channels", [1, 3])
def test_picture_keeps_every_pixel(tmp_path, channels):
    grid = figures.tile(images_of(12, channels=channels), columns=4)
    figure = figures.picture(
        grid, "a title", below="across", left=("first", "second", "third"), side=""
    )
    figures.save(figure, tmp_path / "picture.png")
    opened = np.asarray(Image.open(tmp_path / "picture.png").convert("RGB"))
    height, width = grid.shape[:2]
    expected = np.broadcast_to(grid, (height, width, 3))
    # Every pixel of the grid is somewhere in the figure, with the text around it.
    found = [
        (top, left)
        for top in range(opened.shape[0] - height + 1)
        for left in range(opened.shape[1] - width + 1)
        if np.array_equal(opened[top, left : left + width], expected[0])
        and np.array_equal(opened[top : top + height, left : left + width], expected)
    ]
    assert len(found) == 1
    assert (opened[: found[0][0] - 1] < 128).any()
    assert (opened[:, : found[0][1]] < 128).any()


@pytest.mark.parametrize("suffix", ["png", "svg", "pdf"])
def test_formats(tmp_path, suffix):
    path = tmp_path / f"a.{suffix}"
    figures.save(figures.kl_bars(np.array([0.5, 3.0]), "digits"), path)
    begin = {"png": b"\x89PNG", "svg": b"<?xml", "pdf": b"%PDF"}[suffix]
    assert path.read_bytes().startswith(begin)
    assert list(tmp_path.iterdir()) == [path]


def test_pca_finds_the_direction_of_most_variance():
    rng = np.random.default_rng(0)
    latents = rng.standard_normal((500, 3)) * [1, 5, 0.1]
    plane, shares = figures.pca(latents)
    assert abs(np.corrcoef(plane[:, 0], latents[:, 1])[0, 1]) > 0.999
    np.testing.assert_allclose(shares, [25 / 26, 1 / 26], atol=0.01)


@pytest.mark.slow
def test_tsne_is_the_same_for_any_number_of_threads():
    points = np.random.default_rng(0).random((300, 784)).astype(np.float32)
    planes = []
    for threads in (1, 2):
        with threadpool_limits(threads):
            planes.append(figures.tsne(points))
    np.testing.assert_array_equal(*planes)


def test_tsne_keeps_clusters_apart_and_says_how_far_it_got():
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1, 2], 40)
    latents = rng.standard_normal((120, 5)) + 30 * np.eye(3, 5)[labels]
    seen, threads = [], []

    def progress(items, total, description):
        assert (total, description) == (20, "t-SNE")
        # On a machine that is busy, more threads of OpenMP take several times as long.
        threads.extend(of["num_threads"] for of in threadpool_info() if of["user_api"] == "openmp")
        for item in items:
            seen.append(item)
            yield item

    plane = figures.tsne(latents, progress=progress)
    assert plane.shape == (120, 2)
    assert len(seen) == 20
    assert threads
    assert set(threads) == {1}
    accuracy = KNeighborsClassifier(5).fit(plane[::2], labels[::2]).score(plane[1::2], labels[1::2])
    assert accuracy == 1


@pytest.mark.parametrize("classes", [3, 10])
def test_scatter_colours_and_names_labels(classes):
    labels = np.arange(50) % classes
    points = np.random.default_rng(0).standard_normal((50, 2))
    names = [f"class {value}" for value in range(classes)]
    figure = figures.scatter(points, "t", ("x", "y"), labels=labels, label_names=names)
    (axes,) = figure.axes
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("x", "y")
    assert [text.get_text() for text in axes.get_legend().get_texts()] == names
    looks = {
        (tuple(group.get_facecolor()[0]), group.get_paths()[0].vertices.shape)
        for group in axes.collections
    }
    assert len(looks) == classes
    # The name of a class stands at one of its points.
    for value, text in enumerate(axes.texts):
        assert text.get_text() == names[value]
        assert text.get_position() in {tuple(point) for point in points[labels == value]}
    shown = np.concatenate([group.get_offsets() for group in axes.collections])
    np.testing.assert_array_equal(np.sort(shown, axis=0), np.sort(points, axis=0))


def test_scatter_without_labels_shows_the_order():
    points = np.random.default_rng(0).standard_normal((50, 2))
    figure = figures.scatter(
        points, "t", ("", ""), order=np.arange(50), order_name="frame of the film"
    )
    assert figure.axes[1].get_ylabel() == "frame of the film"
    assert list(figure.axes[0].get_xticks()) == []


def test_compared_has_two_standard_errors():
    figure = figures.compared(
        ["a", "b"], {"ELBO": [(-100.0, 1.0), (-90.0, 2.0)], "KL": [(5.0, 0.1), (6.0, 0.2)]}, "t"
    )
    elbo, kl = figure.axes
    assert [label.get_text() for label in elbo.get_yticklabels()] == ["a", "b"]
    assert elbo.get_xlabel() == "ELBO, nats an image"
    assert kl.get_xlabel() == "KL, nats an image"
    (bars,) = elbo.collections
    ends = [segment[:, 0].tolist() for segment in bars.get_segments()]
    assert ends == [[-102, -98], [-94, -86]]


@pytest.mark.parametrize("channels", [1, 3])
def test_animation_is_a_gif_of_every_frame(tmp_path, channels):
    frames = np.zeros((3, 4, 8, 8, channels), np.uint8)
    frames[1], frames[2] = 128, 255
    pictures = figures.animation(frames, np.array([1, 5, 20]))
    figures.save_gif(pictures, tmp_path / "a.gif")
    with Image.open(tmp_path / "a.gif") as opened:
        assert opened.n_frames == 3
        assert opened.info["loop"] == 0
        shades = []
        for number in range(3):
            opened.seek(number)
            shades.append(int(np.asarray(opened.convert("L"))[18 + 30, 30]))
    np.testing.assert_allclose(shades, [0, 128, 255], atol=2)
