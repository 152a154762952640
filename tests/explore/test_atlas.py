"""Where images are in the latent space: exact values of a linear model, and of its maps."""

import base64
import io

import numpy as np
import pytest
from PIL import Image

import kvae
from kvae.data import Dataset, Split
from kvae.errors import KvaeError
from kvae.explore import atlas as atlases
from kvae.explore import thumbnails
from kvae.explore.atlas import LATENT_MAP, PCA, TSNE, View, survey


def dataset_of(images, labels=None):
    split = Split(images, labels)
    return Dataset("made", split, split, split, "made up", ("zero", "<one>"))


@pytest.fixture(scope="module")
def linear(linear_gaussian):
    model, images, _ = linear_gaussian(90)
    return model, survey(model, dataset_of(images, np.arange(90) % 2))


def test_images_are_where_their_posteriors_are(linear):
    model, atlas = linear
    posterior = model.encode(atlas.images / np.float32(255))
    np.testing.assert_allclose(atlas.means, posterior.mean(), atol=1e-5)
    np.testing.assert_array_equal(atlas.elbo, kvae.encode(model, atlas.images).terms["elbo"])
    # KL(N(m, s^2) || N(0, 1)), the mean over images.
    mean, stddev = posterior.mean().numpy(), posterior.stddev().numpy()
    kl = (0.5 * (mean**2 + stddev**2 - 1) - np.log(stddev)).mean(axis=0)
    found = {latent.index: latent.kl for latent in atlas.latents}
    assert list(found) == np.argsort(-kl).tolist()
    np.testing.assert_allclose([found[index] for index in range(3)], kl, rtol=1e-5)
    assert (atlas.names[4], atlas.label_name(1), atlas.others) == ("test image 4", "<one>", 0)


def test_sliders_reach_three_standard_deviations_and_every_image(linear):
    _, atlas = linear
    for latent in atlas.latents:
        assert latent.low <= min(-3, atlas.means[:, latent.index].min())
        assert latent.high >= max(3, atlas.means[:, latent.index].max())
        assert np.log10(latent.step) == pytest.approx(round(np.log10(latent.step)))
        steps = (latent.high - latent.low) / latent.step
        assert steps == pytest.approx(round(steps))
        assert 100 <= steps <= 1002


def test_a_latent_that_is_not_used_has_no_slider(linear_gaussian, monkeypatch):
    model, images, _ = linear_gaussian(50)
    encoder = model.encoder.posterior
    kernel, bias, spread = encoder.mean.kernel, encoder.mean.bias, encoder.log_variance.bias
    kernel.assign(kernel.numpy() * [1, 0, 1])
    bias.assign(bias.numpy() * [1, 0, 1])
    spread.assign(spread.numpy() * [1, 0, 1])
    atlas = survey(model, dataset_of(images))
    assert [latent.name for latent in atlas.latents] == ["z1", "z3"]
    assert (atlas.others, atlas.axes) == (1, ["z1", "z3", "ELBO"])
    monkeypatch.setattr(atlases, "LATENTS", 1)
    assert survey(model, dataset_of(images)).others == 2


def test_points_of_maps(linear):
    _, atlas = linear
    view, current = View(LATENT_MAP, "z3", "z1"), np.array([5, 6, 7], np.float32)
    np.testing.assert_array_equal(atlas.latents_at(view, (0.5, -1), current), [-1, 6, 0.5])
    assert atlas.place(view, current) == (7, 5)
    half = View(LATENT_MAP, "z2", "ELBO")
    np.testing.assert_array_equal(atlas.latents_at(half, (0.5, -80), current), [5, 0.5, 7])
    assert np.isnan(atlas.place(half, current)[1])
    plane = View(PCA)
    point = atlas.latents_at(plane, (0.3, -0.7), current)
    assert atlas.place(plane, point) == pytest.approx((0.3, -0.7), abs=1e-5)
    # The plane of the first two components of a singular value decomposition.
    centered = atlas.means - atlas.means.mean(axis=0)
    across = np.abs(np.linalg.svd(centered)[0][:, 0]) * np.linalg.svd(centered)[1][0]
    np.testing.assert_allclose(np.abs(atlas.column("PCA 1")), across, atol=1e-4)
    tsne = View(TSNE)
    near = tuple(atlas.tsne[17] + 1e-3)
    np.testing.assert_array_equal(atlas.latents_at(tsne, near, current), atlas.means[17])
    assert atlas.place(tsne, atlas.means[17] + 1e-4) == pytest.approx(tuple(atlas.tsne[17]))


def test_an_image_is_hit_within_reach(linear):
    _, atlas = linear
    view = View(LATENT_MAP, "z1", "z2")
    x, y = atlas.means[8, :2]
    assert atlas.hit(view, (x + 1e-4, y), (1e-3, 1e-3)) == 8
    assert atlas.hit(view, (x + 2e-3, y), (1e-3, 1e-3)) != 8
    assert atlas.hit(view, (50, 50), (1, 1)) is None


def test_few_images_and_few_latents(linear_gaussian, digits):
    model, images, _ = linear_gaussian(20)
    kinds = {count: survey(model, dataset_of(images[:count])).kinds for count in (1, 2, 3)}
    assert kinds == {1: [LATENT_MAP], 2: [LATENT_MAP, PCA], 3: [LATENT_MAP, PCA, TSNE]}
    one = survey(kvae.build(kvae.configure(digits, latent=1, hidden=(8,))), digits)
    assert (one.kinds, one.axes[0]) == ([LATENT_MAP], "z1")
    assert [latent.index for latent in one.latents] == [0]


def test_a_few_of_many_images(linear_gaussian, monkeypatch):
    monkeypatch.setattr(atlases, "IMAGES", 10)
    model, images, _ = linear_gaussian(91)
    atlas = survey(model, dataset_of(images))
    assert (len(atlas.images), atlas.total, atlas.names[1]) == (10, 91, "test image 10")
    np.testing.assert_array_equal(atlas.images, images[::10])


def test_a_model_without_anything():
    with pytest.raises(KvaeError, match="nothing to explore"):
        survey(object(), None)


def pixels_of(uri):
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(uri.split(",")[1]))))


@pytest.mark.parametrize("channels", [1, 2, 3, 5])
def test_pictures_hold_their_pixels(channels):
    images = np.random.default_rng(0).integers(0, 256, (3, 7, 9, channels), np.uint8)
    for uri in thumbnails.uri(images[1]), thumbnails.thumbnails(images)[1]:
        found = pixels_of(uri).reshape(7, 9, -1)
        np.testing.assert_array_equal(found[..., :channels], images[1][..., : found.shape[2]])


def test_thousands_of_large_pictures_are_small():
    images = np.tile(np.linspace(0, 255, 200, dtype=np.uint8)[:, None], (2, 1, 100, 3))
    images = images.reshape(2, 200, 100, 3)
    uris = thumbnails.thumbnails(images)
    assert pixels_of(uris[0]).shape == (64, 32, 3)
    assert len(uris[0]) < 3000
    assert (thumbnails.displayed((8, 6), 100), thumbnails.displayed((300, 150), 100)) == (
        (96, 72),
        (100, 50),
    )
