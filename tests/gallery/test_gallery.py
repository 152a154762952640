"""Every picture, drawn from a model that was really trained."""

import dataclasses

import numpy as np
import pytest
from PIL import Image

import kvae
from kvae import gallery, runs
from kvae.gallery import latents
from kvae.runs import pictures


def start(few_digits, folder, latent):
    config = kvae.configure(few_digits, latent=latent, hidden=(32,), epochs=40, jit=False)
    run = runs.start(few_digits, config, runs=folder / "runs", models=folder / "models")
    return pictures.subject(run.saved_model, few_digits, folder / "runs"), run


@pytest.fixture(scope="module", params=[2, 3])
def trained(request, few_digits, tmp_path_factory):
    return start(few_digits, tmp_path_factory.mktemp("gallery"), request.param)


# What a VAE has not: the tests of the models that have it draw these.
OF_OTHERS = {"labels", "levels", "tsne-levels", "completions", "codes", "single-codes", "filters"}


@pytest.mark.parametrize("name", [name for name in gallery.PICTURES if name not in OF_OTHERS])
def test_every_picture_has_something_on_it(trained, tmp_path, name):
    subject, _ = trained
    if name == "manifold" and subject.model.config.model.latent != 2:
        with pytest.raises(gallery.NotDrawnError, match="there are 3"):
            gallery.draw(subject, [name], tmp_path)
        return
    (path,) = gallery.draw(subject, [name], tmp_path).values()
    assert path.name == f"{name}.{'gif' if name == 'animation' else 'png'}"
    with Image.open(path) as picture:
        pixels = np.asarray(picture.convert("L"))
    assert pixels.shape[0] > 150
    assert pixels.shape[1] > 300
    assert pixels.std() > 10


def shown(subject, name):
    """The grid that a picture shows; that files keep it pixel for pixel is tested elsewhere."""
    (axes,) = gallery.PICTURES[name].plot(subject).axes
    return np.asarray(axes.images[0].get_array())


def test_pictures_show_the_models_images(trained, few_digits):
    subject, _ = trained
    model = subject.model
    images = few_digits.test.spread(20).images / np.float32(255)
    expected = {
        "samples": kvae.figures.tile(model.sample(64).numpy()),
        "reconstructions": kvae.figures.pairs(images, model.reconstruct(images).numpy()),
    }
    if model.config.model.latent == 2:
        latents = kvae.figures.manifold_latents(15)
        expected["manifold"] = kvae.figures.tile(model.mean_images(latents).numpy(), 15)
    for name, grid in expected.items():
        np.testing.assert_array_equal(
            shown(subject, name), np.broadcast_to(grid, (*grid.shape[:2], 3))
        )


def test_a_run_leaves_what_its_saved_model_gives(trained, tmp_path):
    subject, run = trained
    for name, path in gallery.draw(subject, gallery.quick(subject), tmp_path).items():
        left = run.folder / "figures" / path.name
        assert left.read_bytes() == path.read_bytes(), name


def test_a_run_leaves_the_quick_ones(trained):
    subject, run = trained
    left = {path.stem for path in (run.folder / "figures").iterdir()}
    assert left == set(gallery.quick(subject))
    assert ("manifold" in left) == (subject.model.config.model.latent == 2)


def test_traversals_are_in_the_order_of_kl(trained):
    subject, _ = trained
    kl = latents.divergences(subject)
    figure = gallery.PICTURES["traversals"].plot(subject)
    labels = [text.get_text() for text in figure.axes[0].get_yticklabels()]
    order = np.argsort(kl)[::-1]
    assert labels == [f"z{index + 1}, KL {kl[index]:.2f}" for index in order]


def test_interpolation_begins_and_ends_at_images(trained, few_digits):
    subject, _ = trained
    images = few_digits.test.spread(12).images / np.float32(255)
    means = subject.model.encode(images).mean().numpy()
    shares = np.linspace(0, 1, latents.STEPS)[:, None].astype(np.float32)
    rows = [
        np.concatenate(
            [
                images[[row]],
                subject.model.mean_images((1 - shares) * means[row] + shares * means[row + 6]),
                images[[row + 6]],
            ]
        )
        for row in range(6)
    ]
    grid = kvae.figures.tile(np.concatenate(rows), latents.STEPS + 2)
    difference = shown(subject, "interpolation").astype(int) - grid
    assert np.abs(difference).max() <= 1


def test_frames_show_the_training(trained):
    subject, run = trained
    epochs, images = subject.frames["epochs"], subject.frames["images"]
    assert (epochs[0], epochs[-1]) == (1, 40)
    assert len(epochs) == len(images)
    assert images.shape[1:] == (36, 8, 8, 1)
    last = np.round(run.model.sample(36).numpy() * 255)
    assert np.abs(images[-1] - last).max() <= 1
    assert not np.array_equal(images[0], images[-1])


@pytest.mark.parametrize("name", ["curves", "animation"])
def test_without_a_run_there_are_no_curves(trained, few_digits, tmp_path, name):
    _, run = trained
    alone = pictures.subject(run.saved_model, few_digits, tmp_path)
    with pytest.raises(gallery.NotDrawnError, match="there is no such run"):
        gallery.draw(alone, [name], tmp_path)


@pytest.fixture(scope="module")
def conditional(few_digits):
    """Makes a conditional model, as if it were trained."""

    def make(latent):
        options = {"latent": latent, "hidden": (16,), "jit": False}
        model = kvae.build(kvae.configure(few_digits, condition="labels", **options))
        rng = np.random.default_rng(0)
        for weight in model.trainable_variables:
            weight.assign_add(0.3 * rng.standard_normal(weight.shape))
        return gallery.Subject("given", model, few_digits)

    return make


def test_pictures_of_a_conditional_model_have_the_labels_of_their_images(conditional, few_digits):
    subject = conditional(2)
    assert "labels" in gallery.quick(subject)
    some, model = few_digits.test.spread(20), subject.model
    images = some.images / np.float32(255)
    restored = model.given(some.labels).reconstruct(images).numpy()
    rows = np.concatenate([model.given(label).sample(12) for label in range(10)])
    for name, grid in {
        "reconstructions": kvae.figures.pairs(images, restored),
        "labels": kvae.figures.tile(rows, 12),
    }.items():
        np.testing.assert_array_equal(
            shown(subject, name), np.broadcast_to(grid, (*grid.shape[:2], 3))
        )


def test_labels_of_any_name_are_drawn(few_digits, tmp_path):
    names = (r"$\nothing$", "\udcff", "two\nlines", "x" * 500, *"abcdef")
    dataset = dataclasses.replace(few_digits, label_names=names)
    config = kvae.configure(dataset, condition="labels", hidden=(4,), jit=False)
    subject = gallery.Subject("given", kvae.build(config), dataset)
    assert (tmp_path / "labels.png") in gallery.draw(
        subject, ["labels", "manifold"], tmp_path
    ).values()


@pytest.mark.slow
@pytest.mark.parametrize("latent", [2, 3])
def test_a_conditional_model_has_every_picture(conditional, tmp_path, latent):
    names = set(gallery.PICTURES) - {"curves", "animation"} - (OF_OTHERS - {"labels"})
    names -= {"manifold"} if latent == 3 else set()
    assert set(gallery.draw(conditional(latent), names, tmp_path)) == names


def test_labels_need_a_conditional_model(trained):
    with pytest.raises(gallery.NotDrawnError, match="no labels to choose from"):
        gallery.PICTURES["labels"].plot(trained[0])
    assert "labels" not in gallery.quick(trained[0])
