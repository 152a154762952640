"""Small adversarial networks."""

import pytest

import kvae
from kvae.config import Config, DataConfig, TrainingConfig
from kvae.models.adversarial.config import ModelConfig, ObjectiveConfig


@pytest.fixture(scope="session")
def linear_generator(linear_gaussian):
    """A generator that is linear, as the decoder of `linear_gaussian` is, and images of it with
    noise whose standard deviation is 0.08."""
    vae, images, _ = linear_gaussian(count=60)
    model = kvae.build(
        Config(
            "own",
            "adversarial",
            DataConfig("made"),
            ModelConfig((4, 4, 1), 3, (), "linear"),
            ObjectiveConfig(),
            TrainingConfig(epochs=1, batch_size=100, jit=False),
        )
    )
    ours, theirs = model.decoder.likelihood.mean, vae.decoder.likelihood.mean
    ours.kernel.assign(theirs.kernel)
    ours.bias.assign(theirs.bias)
    return model, images


@pytest.fixture(scope="session")
def tiny(few_digits):
    """Makes the configuration of a small network for `few_digits`."""

    def make(**options):
        chosen = {
            "hidden": (16,),
            "latent": 2,
            "network": "mlp",
            "epochs": 3,
            "jit": False,
            "discriminator_steps": 1,
        } | options
        return kvae.configure(few_digits, family="adversarial", **chosen)

    return make
