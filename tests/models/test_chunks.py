"""Many images go through a model some at a time, and what comes out is the same."""

import dataclasses

import numpy as np
import pytest

import kvae
from kvae.models import chunks
from kvae.models.build import cost


@pytest.fixture(scope="module")
def model(few_digits):
    return kvae.build(kvae.configure(few_digits, network="conv", channels=(8,), latent=3))


@pytest.fixture
def small_chunks(monkeypatch, model):
    """Ten images go through the model at a time."""
    monkeypatch.setattr(chunks, "FEW_NUMBERS", 0)
    monkeypatch.setattr(chunks, "NUMBERS", 10 * cost(model.config).largest)


def test_the_largest_layer_decides_how_many_images_go_together(few_digits):
    def largest(*channels):
        config = kvae.configure(few_digits, network="conv", channels=channels, latent=3)
        return cost(config).largest, chunks.rows_at_once(config, 10**9)

    (wide, few), (narrow, many) = largest(64), largest(16)
    assert wide == 64 / 16 * narrow
    assert few == chunks.NUMBERS // wide < many
    assert wide >= 64 * 4 * 4


def test_few_small_images_go_together(model, few_digits):
    assert chunks.rows_at_once(model.config, chunks.FEW) == chunks.FEW
    large = dataclasses.replace(
        model.config, model=dataclasses.replace(model.config.model, image_shape=(512, 512, 1))
    )
    assert chunks.rows_at_once(large, 64) == chunks.NUMBERS // cost(large).largest < 64


def test_chunks_change_nothing(model, few_digits, small_chunks):
    assert chunks.rows_at_once(model.config, 1000) == 10
    images = few_digits.train.images[:25]
    sizes = []

    def embed(model, some, _):
        sizes.append(len(some))
        return model.embed(model.inputs(some))

    found = chunks.of_rows(model, embed, images)
    assert sizes == [10, 10, 10]
    np.testing.assert_allclose(found, model.embed(model.inputs(images)), atol=1e-5)


def test_samples_in_chunks_differ_from_each_other(model, small_chunks):
    made = chunks.sampled(model, 25, seed=3)
    assert made.shape == (25, 8, 8, 1)
    assert len(np.unique(made.reshape(25, -1), axis=0)) == 25
    np.testing.assert_array_equal(made, chunks.sampled(model, 25, seed=3))


def test_samples_that_go_together_are_those_of_the_model(model):
    np.testing.assert_array_equal(chunks.sampled(model, 25, 3), model.sample(25, 3))


def test_labels_go_with_their_images(few_digits, monkeypatch):
    config = kvae.configure(few_digits, condition="labels", latent=3, hidden=(8,))
    model = kvae.build(config)
    images, labels = few_digits.train.images[:25], few_digits.train.labels[:25]

    def reconstruct(model, some, _):
        return model.reconstruct(model.inputs(some))

    whole = chunks.of_rows(model, reconstruct, images, labels=labels)
    monkeypatch.setattr(chunks, "rows_at_once", lambda config, most: 10)
    parts = chunks.of_rows(model, reconstruct, images, labels=labels)
    np.testing.assert_allclose(parts, whole, atol=1e-5)
    other = chunks.of_rows(model, reconstruct, images, labels=(labels + 1) % 10)
    assert np.abs(other - whole).max() > 1e-4
    assert chunks.sampled(model, 25, seed=0).shape == (25, 8, 8, 1)
