"""What a page asks of a model, beside what the library says of the same."""

import io

import numpy as np
import pytest
from PIL import Image

import kvae
from kvae.errors import KvaeError
from kvae.explore.explorer import Explorer


@pytest.fixture(scope="module")
def explorer(few_digits):
    model = kvae.build(kvae.configure(few_digits, latent=3, hidden=(16,)))
    return Explorer("some", model, few_digits)


def file_of(image, form="PNG"):
    content = io.BytesIO()
    Image.fromarray(image[..., 0] if image.shape[2] == 1 else image).save(content, form)
    return content.getvalue()


def test_decoding(explorer):
    model, (first, last) = explorer._model, explorer.atlas.means[:2]
    expected = model.mean_images(np.stack([first, (first + last) / 2, last])).numpy()
    np.testing.assert_allclose(explorer.between(first, last, 3), expected, atol=1e-6)
    one = explorer.decode(first)
    assert (one.dtype, one.shape) == (np.uint8, (8, 8, 1))
    np.testing.assert_allclose(one / 255, expected[0], atol=0.003)


def test_samples(explorer):
    model, point = explorer._model, np.array([0.5, -1, 2], np.float32)
    np.testing.assert_array_equal(explorer.samples(4, 7), model.sample(4, 7))
    again = explorer.near(point, 0.1, 300, 5)
    np.testing.assert_array_equal(explorer.near(point, 0.1, 300, 5), again)
    assert np.abs(explorer.near(point, 0.1, 300, 6) - again).max() > 0.01
    np.testing.assert_allclose(
        explorer.near(point, 1e-7, 1, 0)[0], model.mean_images(point[None])[0], atol=1e-5
    )


def test_samples_near_a_point_are_as_far_as_asked(explorer, monkeypatch):
    monkeypatch.setattr(explorer, "decode_all", lambda latents: latents)
    point = np.array([0.5, -1, 2], np.float32)
    latents = explorer.near(point, 0.4, 4000, 0)
    np.testing.assert_allclose(latents.mean(axis=0), point, atol=0.03)
    np.testing.assert_allclose(latents.std(axis=0), 0.4 * explorer.atlas.scale, rtol=0.05)


def test_a_picture_of_ones_own(explorer, few_digits):
    model, image = explorer._model, few_digits.train.images[31]
    own = explorer.own(file_of(image), "mine.png")
    np.testing.assert_array_equal(own.image, image)
    np.testing.assert_allclose(
        own.reconstruction / 255, kvae.reconstruct(model, image[None])[0], atol=0.003
    )
    np.testing.assert_allclose(own.latents, kvae.encode(model, image[None]).means[0], atol=1e-5)
    scores = kvae.score(model, image[None], few_digits.validation.images)
    assert own.elbo == pytest.approx(scores.bounds[0], abs=1e-3)
    assert own.percentile == pytest.approx(scores.percentiles[0])
    found = kvae.nearest(model, image[None], few_digits.train.images)
    assert [each.name for each in own.neighbours] == found.indices[0].astype(str).tolist()
    assert (own.neighbours[0].name, own.notes) == ("31", ())
    assert own.neighbours[0].distance == pytest.approx(0, abs=1e-3)
    np.testing.assert_array_equal(own.neighbours[0].image, image)


def test_other_sizes_colours_and_pages(explorer):
    colours = np.zeros((20, 30, 3), np.uint8)
    colours[:, 15:, 0] = 200
    own = explorer.own(file_of(colours, "JPEG"), "a.JPG")
    assert (own.image.shape, own.notes) == ((8, 8, 1), ("colours become grey levels",))
    content, page = io.BytesIO(), Image.new("L", (8, 8), 90)
    page.save(content, "TIFF", save_all=True, append_images=[page, page])
    own = explorer.own(content.getvalue(), "pages.tif")
    assert (own.image.mean(), own.notes[-1]) == (90, "the first of its 3 pages")


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("notes.txt", b"text", "notes.txt is no image file"),
        ("picture", file_of(np.zeros((8, 8, 1), np.uint8)), "picture is no image file"),
        ("../<b>.png", b"text", "../<b>.png is not a whole image: "),
        ("cut.png", file_of(np.zeros((99, 99, 1), np.uint8))[:60], "cut.png is not a whole image"),
        ("none.png", b"", "none.png is not a whole image"),
    ],
)
def test_what_is_no_picture(explorer, name, content, says):
    with pytest.raises(KvaeError) as raised:
        explorer.own(content, name)
    assert str(raised.value).startswith(says)
    assert len(str(raised.value).splitlines()) == 1
    assert "/tmp" not in str(raised.value)


def test_a_model_that_only_makes_samples(only_samples):
    can = only_samples.decodes, only_samples.describes, only_samples.generates
    assert can == (False, False, True)
    assert (only_samples.atlas.kinds, only_samples.atlas.latents) == ([], ())
    assert only_samples.samples(2, 0).shape == (2, 6, 4, 3)
