"""The convolutional network: sizes of every kind, and every distribution with it."""

import math

import numpy as np
import pytest
import tensorflow as tf

import kvae
from kvae import registry
from kvae.data import Dataset, Split
from kvae.errors import UsageError
from kvae.models.build import cost
from kvae.models.initialization import Initialization
from kvae.models.networks.conv import FromLatents, ResidualBlock, sizes
from kvae.models.plan import kernels

from ..runs.making import assert_same_outcome, cut, start


def dataset_of(height, width, channels, count=24):
    images = np.random.default_rng(0).integers(0, 256, (count, height, width, channels), np.uint8)
    split = Split(images)
    return Dataset("made", split, split.take(slice(7)), split.take(slice(7)), "made up")


def conv(dataset, **options):
    small = {"channels": (5, 6), "hidden": (7,), "latent": 3, "epochs": 1, "jit": False}
    options = small | options
    return kvae.configure(dataset, network="conv", **options)


SIZES = [(28, 20, 1), (33, 47, 3), (64, 64, 3), (5, 9, 1), (2, 3, 1), (1, 4, 5)]


@pytest.mark.parametrize("shape", SIZES)
def test_images_of_any_size_come_out_in_that_size(shape):
    dataset = dataset_of(*shape)
    model = kvae.build(conv(dataset, channels=None))
    images = model.inputs(dataset.train.images)
    assert model.reconstruct(images).shape == images.shape
    assert model.sample(2).shape == (2, *shape)
    assert model.terms(images, tf.constant([0, 0])).elbo.shape == (24,)
    height, width = sizes(shape, 1)[1]
    maps = model.decoder.network(tf.zeros((4, 3)))
    assert maps.shape == (4, height, width, model.config.model.channels[0])
    assert cost(model.config).weights == sum(math.prod(w.shape) for w in model.weights)


def test_sizes_are_halves_rounded_up():
    assert sizes((28, 20, 1), 3) == [(28, 20), (14, 10), (7, 5), (4, 3)]
    assert sizes((33, 1, 3), 2) == [(33, 1), (17, 1), (9, 1)]


@pytest.mark.parametrize(
    ("side", "channels"),
    [
        (4, (32,)), (8, (32,)), (16, (32, 64)), (28, (32, 64)), (32, (32, 64, 128)),
        (64, (32, 64, 128, 128)), (128, (16, 32, 64, 128, 128)),
        (512, (8, 8, 16, 32, 64, 128, 128)),
    ],
)  # fmt: skip
def test_the_size_of_images_decides_the_stages(side, channels):
    dataset = dataset_of(side, side + 3, 1, 10)
    assert conv(dataset, channels=None).model.channels == channels
    assert f"conv {','.join(map(str, channels))} - 7 - 3 latents" in (
        conv(dataset, channels=None).model.summary
    )


def test_options_of_the_convolutional_network_alone():
    dataset = dataset_of(8, 8, 1)
    with pytest.raises(UsageError, match="channels. needs .network=conv"):
        kvae.configure(dataset, network="mlp", channels=(4,))
    with pytest.raises(UsageError, match="blocks. needs .network=conv"):
        kvae.configure(dataset, network="mlp", blocks=1)
    with pytest.raises(UsageError, match=r"8 x 8 can be halved 3 times, but channels has 4 stages"):
        conv(dataset, channels=(4, 4, 4, 4))
    with pytest.raises(UsageError, match="stages have 1 channel or more, got 4,0"):
        conv(dataset, channels=(4, 0))
    assert kvae.build(conv(dataset, channels=(4, 4, 4))).sample(1).shape == (1, 8, 8, 1)


@pytest.mark.parametrize("likelihood", registry.LIKELIHOODS)
def test_every_likelihood_makes_images_of_maps(likelihood):
    dataset = dataset_of(7, 6, 3)
    model = kvae.build(conv(dataset, likelihood=likelihood))
    decoded = model.decode(tf.random.stateless_normal((4, 3), [0, 0]))
    assert decoded.batch_shape == (4,)
    assert decoded.event_shape == (7, 6, 3)
    (row,) = kvae.train(model, dataset)[-1:]
    assert np.isfinite(row["validation_elbo"])


@pytest.mark.parametrize(
    ("posterior", "prior"),
    [
        ("diagonal", "standard"),
        ("full", "mixture"),
        pytest.param("iaf", "vamp", marks=pytest.mark.slow),
        ("diagonal", "flow"),
    ],
)
def test_every_posterior_and_prior_goes_with_it(posterior, prior):
    dataset = dataset_of(8, 8, 1)
    more = {"components": 4} if prior in ("mixture", "vamp") else {}
    if prior == "flow" or posterior == "iaf":
        more |= {"flow_layers": 1, "flow_units": 8}
    config = conv(dataset, posterior=posterior, prior=prior, epochs=1, **more)
    model = kvae.build(config, dataset.train.images)
    (row,) = kvae.train(model, dataset)
    assert np.isfinite([row["validation_elbo"], row["train_objective"]]).all()


def test_an_image_is_encoded_alike_in_any_batch():
    dataset = dataset_of(16, 16, 3)
    model = kvae.build(conv(dataset, blocks=2))
    rng = np.random.default_rng(0)
    for weight in model.weights:
        weight.assign_add(0.1 * rng.standard_normal(weight.shape))
    images = model.inputs(dataset.train.images)
    alone = [model.embed(images[index : index + 1])[0] for index in range(4)]
    np.testing.assert_allclose(model.embed(images)[:4], alone, rtol=1e-4, atol=1e-5)


def test_a_residual_block_begins_as_the_identity():
    block = ResidualBlock(24, "silu", Initialization(None, 0, 0))
    maps = tf.random.stateless_normal((2, 4, 4, 24), [0, 0])
    np.testing.assert_array_equal(block(maps), maps)
    # Two groups of 24 channels cannot be of 16; twelve each are.
    assert [norm.groups for norm in block.norms] == [1, 1]
    assert ResidualBlock(64, "silu", Initialization(None, 0, 0)).norms[0].groups == 4


def test_dropout_drops_its_share_of_every_hidden_layer():
    layer = FromLatents((16, 16, 1), (8, 8), 0, (), "silu", 0.25, Initialization(None, 0, 0), False)
    layer.first.build((None, 3))
    layer.first.bias.assign(tf.ones_like(layer.first.bias))
    latents = tf.zeros((50, 3))
    assert np.all(layer(latents) != 0)
    one, other = (layer(latents, tf.constant([0, seed])).numpy() for seed in (1, 2))
    assert np.any(one != other)
    # Every map of the last stage, and those that earlier drops leave without any input.
    assert np.mean(one == 0) == pytest.approx(0.25, abs=0.02)


def test_weight_decay_is_of_kernels_of_every_rank():
    model = kvae.build(conv(dataset_of(8, 8, 1), blocks=1))
    names = {
        weight.path.rpartition("/")[2] for weight in kernels(model.encoder.trainable_variables)
    }
    assert names == {"kernel"}
    assert {len(weight.shape) for weight in kernels(model.encoder.trainable_variables)} == {2, 4}


def test_a_seed_decides_every_byte():
    dataset = dataset_of(16, 12, 3, 60)
    options = {"channels": (4,), "dropout": 0.2, "epochs": 1, "optimizer": "adam"}
    initial, trained = [], []
    for seed in 0, 0, 1:
        model = kvae.build(conv(dataset, seed=seed, **options))
        initial.append(model.get_weights())
        if seed == 0:
            kvae.train(model, dataset)
            trained.append(model.get_weights())
    for one, same in zip(*trained, strict=True):
        np.testing.assert_array_equal(one, same)
    assert any(np.any(one != other) for one, other in zip(initial[0], initial[2], strict=True))


@pytest.mark.slow
def test_it_resumes_bit_for_bit_and_is_exported(tmp_path):
    dataset = dataset_of(9, 13, 5)
    places = {"runs": tmp_path / "runs", "models": tmp_path / "models"}
    options = {"network": "conv", "channels": (4, 5), "blocks": 1, "optimizer": "adam"}
    whole = start(dataset, places, "whole", **options)
    cut(dataset, places, 3, checkpoint_every=2, **options)
    run = kvae.runs.resume(dataset, "cut", **places)
    assert_same_outcome(run, whole)
    loaded = tf.saved_model.load(str(whole.saved_model))
    images = whole.model.inputs(dataset.test.images)
    found = loaded.signatures["reconstruct"](images=images)["mean"]
    np.testing.assert_allclose(found, whole.model.reconstruct(images), atol=1e-5)
