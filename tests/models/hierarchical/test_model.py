"""What hierarchical models can do, from training to export."""

import numpy as np
import pytest
import tensorflow as tf

import kvae
from kvae import gallery, registry, runs
from kvae.evaluation import Evaluator, evaluate, sections
from kvae.gallery import embeddings, latents
from kvae.inference import encode, interpolate
from kvae.models.base import Bounds, Decodes, Embeds, Generates, Infers, Layered, Reconstructs
from kvae.runs import saved_models
from kvae.runs.history import read_history
from kvae.runs.pictures import subject


@pytest.fixture(scope="module")
def run(few_digits, tiny, tmp_path_factory):
    folder = tmp_path_factory.mktemp("hierarchical")
    places = {"runs": folder / "runs", "models": folder / "saved_models"}
    return runs.start(few_digits, tiny(), "made", **places)


@pytest.fixture(scope="module")
def images(few_digits):
    return few_digits.test.images


def test_it_has_all_capabilities(run):
    assert isinstance(run.model, Bounds)
    for capability in Decodes, Embeds, Generates, Infers, Layered, Reconstructs:
        assert isinstance(run.model, capability)


def test_history_has_the_kl_of_each_level(run):
    columns = read_history(run.folder)
    for split in "train", "validation":
        levels = np.add(columns[f"{split}_kl_1"], columns[f"{split}_kl_2"])
        np.testing.assert_allclose(levels, columns[f"{split}_kl"], rtol=1e-5)
    (path,) = (run.folder / "train").glob("events*")
    tags = {
        value.tag
        for event in tf.compat.v1.train.summary_iterator(str(path))
        for value in event.summary.value
    }
    assert {"kl_1", "kl_2"} <= tags


def test_training_improves_the_bound(run):
    elbo = read_history(run.folder)["validation_elbo"]
    assert elbo[-1] > elbo[0] + 2


def test_it_exports_and_loads_with_tensorflow_alone(run, images):
    loaded = saved_models.load(run.saved_model)
    exported = tf.saved_model.load(str(run.saved_model))
    seen = loaded.inputs(images)
    assert set(exported.signatures) == {
        "encode", "decode", "reconstruct", "sample", "serving_default",
    }  # fmt: skip
    args = {"count": tf.constant(3), "seed": tf.constant([1, 0])}
    samples = exported.signatures["sample"](**args)["images"]
    np.testing.assert_allclose(samples, run.model.sample(3, seed=1), atol=1e-5)
    found = exported.signatures["reconstruct"](images=seen)["mean"]
    np.testing.assert_allclose(found, run.model.reconstruct(seen), atol=1e-5)
    decoded = exported.signatures["decode"](latents=loaded.embed(seen))["mean"]
    np.testing.assert_allclose(decoded, found, atol=1e-5)


def test_images_are_encoded_scored_and_walked_between(run, images):
    encoded = encode(run.model, images, samples=5)
    assert encoded.means.shape == encoded.stddevs.shape == (len(images), 5)
    np.testing.assert_allclose(encoded.means, run.model.embed(run.model.inputs(images)), atol=1e-4)
    levels = encoded.terms["kl_1"] + encoded.terms["kl_2"]
    np.testing.assert_allclose(levels, encoded.terms["kl"], rtol=1e-4)
    assert np.isfinite(encoded.terms["importance_weighted"]).all()
    ends = interpolate(run.model, images[:2], steps=3)[0, [0, -1]]
    np.testing.assert_allclose(ends, run.model.reconstruct(run.model.inputs(images[:2])), atol=1e-4)


def test_the_report_says_which_levels_are_in_use(tiny, images):
    model = kvae.build(tiny(prior="standard"))
    for head in model.encoder.heads:
        head.mean.kernel.assign(10 * head.mean.kernel)
    evaluator = Evaluator(model, 0, len(images))
    rows = sections.level_use(model, evaluator(images))
    assert [row.name for row in rows] == [f"KL of level {n} of 2, by dimension" for n in (1, 2)]
    assert [row.verdict[:6] for row in rows] == ["in use", "in use"]
    assert sum(row.values["value"] for row in rows) > 0.1
    # A level whose posterior is its prior, whatever the image is.
    for weight in model.encoder.heads[1].weights:
        weight.assign(tf.zeros_like(weight))
    unused = sections.level_use(model, evaluator(images))[1]
    assert unused.values["value"] == pytest.approx(0, abs=1e-6)
    assert unused.verdict.startswith("not in use (0 of 2 dimensions): try")


@pytest.mark.slow
def test_it_is_evaluated_with_every_section(run, few_digits):
    report = evaluate(run.model, few_digits, importance_samples=5)
    names = [row.name for rows in report.groups.values() for row in rows]
    for name in (
        "KL of level 2",
        "annealed importance sampling, 40 images",
        "mutual information of x and z",
        "KL of level 2 of 2, by dimension",
    ):
        assert name in names


def test_levels_above_are_fixed_in_the_picture_of_levels(run, few_digits, tmp_path, monkeypatch):
    drawn = subject(run.saved_model, few_digits, run.folder.parent)
    seen = []
    decode = drawn.model.mean_images
    monkeypatch.setattr(
        drawn.model, "mean_images", lambda latents: seen.append(latents) or decode(latents)
    )
    paths = gallery.draw(drawn, ["levels", "traversals", "kl"], tmp_path)
    assert all(path.is_file() for path in paths.values())
    first, both = (each.reshape(latents.LEVEL_ROWS, latents.LEVEL_COLUMNS, 5) for each in seen[:2])
    assert (np.ptp(first[..., 3:], axis=1) == 0).all()
    assert (np.ptp(first[..., :3], axis=1) > 0).all()
    assert (np.ptp(both, axis=1) > 0).all()
    assert {"levels", "traversals", "kl"} <= set(gallery.quick(drawn))


def test_each_level_has_a_plane_of_tsne(run, few_digits, tmp_path, monkeypatch):
    drawn, seen = subject(run.saved_model, few_digits, run.folder.parent), []
    monkeypatch.setattr(
        embeddings.figures, "tsne", lambda part, *_: seen.append(part) or np.asarray(part)[:, :2]
    )
    assert gallery.draw(drawn, ["tsne-levels"], tmp_path)["tsne-levels"].is_file()
    means = drawn.model.embed(drawn.model.inputs(few_digits.test.images))
    np.testing.assert_allclose(np.concatenate(seen, axis=1), means, atol=1e-5)
    assert [part.shape[1] for part in seen] == [3, 2]


def test_its_prior_cannot_be_fitted_afterwards(run, few_digits):
    with pytest.raises(kvae.UsageError, match="family hierarchical"):
        kvae.training.fit_prior(run.model, few_digits, "mixture")


def test_the_seed_decides_the_weights(run, few_digits, tiny):
    model = kvae.build(tiny())
    kvae.train(model, few_digits)
    for ours, theirs in zip(model.get_weights(), run.model.get_weights(), strict=True):
        assert ours.tobytes() == theirs.tobytes()


@pytest.mark.slow
def test_it_resumes_bit_for_bit(few_digits, tiny, tmp_path):
    places = {"runs": tmp_path / "runs", "models": tmp_path / "saved_models"}
    config = tiny(dropout=0.1, input_noise=0.1, epochs=2)
    whole = runs.start(few_digits, config, "whole", **places)
    asked = iter([None, 15])
    with pytest.raises(KeyboardInterrupt):
        runs.start(few_digits, config, "cut", **places, asked_to_stop=lambda: next(asked))
    resumed = runs.resume(few_digits, "cut", **places)
    for ours, theirs in zip(resumed.model.get_weights(), whole.model.get_weights(), strict=True):
        assert ours.tobytes() == theirs.tobytes()


CONV = {"network": "conv", "channels": (4, 6)}
IWAE = {"bound": "iwae", "importance_samples": 3}


@pytest.mark.slow
@pytest.mark.parametrize(
    "options",
    [
        {"prior": "mixture", "components": 3, "levels": (2, 2, 2)},
        {"prior": "vamp", "components": 3},
        {"prior": "flow", "flow_layers": 2, "flow_units": 6, "inference": "bottom-up"},
        {"image_from": "lowest", "doubly_reparameterized": True} | IWAE,
        {"free_bits": 0.5, "level_warmup": (1, 2), "inference": "bottom-up"},
        {"map_sides": (4, 4, 2, 1), "levels": (1, 1, 2, 3)} | CONV,
    ],
    ids=lambda options: "-".join(map(str, options.values())),
)
def test_every_part_trains_and_samples(few_digits, tiny, options):
    model = kvae.build(tiny(epochs=1, **options), few_digits.train.images)
    before = [weight.numpy() for weight in model.trainable_variables]
    (row,) = kvae.train(model, few_digits)
    assert np.isfinite(row["validation_elbo"])
    for weight, old in zip(model.trainable_variables, before, strict=True):
        assert not np.array_equal(weight, old), weight.path
    assert model.sample(3).shape == (3, 8, 8, 1)
    posterior = model.encode(model.inputs(few_digits.test.images[:4]))
    latents, log_q = posterior.experimental_sample_and_log_prob(seed=tf.constant([0, 1]))
    np.testing.assert_allclose(posterior.log_prob(latents), log_q, atol=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("likelihood", registry.LIKELIHOODS)
def test_every_likelihood_goes_with_levels(few_digits, tiny, likelihood):
    model = kvae.build(tiny(likelihood=likelihood))
    seen = model.inputs(few_digits.test.images[:3])
    terms = model.terms(seen, tf.constant([0, 0]))
    assert terms.elbo.shape == (3,)
    assert np.isfinite(terms.elbo).all()


@pytest.mark.parametrize("inference", ["top-down", "bottom-up"])
def test_layers_between_levels_are_those_of_the_option(tiny, inference):
    same = tiny(hidden=(8,), inference=inference)
    wide = tiny(hidden=(8,), level_hidden=(6, 7), inference=inference)
    of_same, of_wide = (kvae.build(config).decoder.contexts[0].network for config in (same, wide))
    assert [layer.units for layer in of_same.hidden] == [8]
    assert [layer.units for layer in of_wide.hidden] == [7, 6]
    if inference == "bottom-up":
        upper = kvae.build(wide).encoder.upper[0].network
        assert [layer.units for layer in upper.hidden] == [6, 7]


def test_levels_of_maps_have_as_many_blocks_as_stages(tiny):
    maps = {"network": "conv", "channels": (4, 8), "map_sides": (4, 1)}
    for blocks in 0, 2:
        decoder = kvae.build(tiny(**maps, blocks=blocks)).decoder
        assert len(decoder.contexts[0].blocks) == len(decoder.network.blocks) == blocks
