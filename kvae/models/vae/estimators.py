"""Estimators of the gradient that training follows, as functions of model, images and seed.

Each returns `Terms` whose `objective` has that gradient. Their `elbo`, `reconstruction` and `kl`
are those of the plain ELBO, whatever is maximised.
"""

import tensorflow as tf

from kvae.data import random_numbers
from kvae.models.estimates import divergence
from kvae.models.vae.bounds import Terms, Weighting
from kvae.models.vae.model import VAE
from kvae.models.vae.posteriors import sample_and_log_prob


def aevb(model: VAE, images: tf.Tensor, seed: tf.Tensor, weighting: Weighting) -> Terms:
    """Auto-encoding variational Bayes: one bound for encoder and decoder (Kingma & Welling, 2014).

    Args:
        model: A VAE.
        images: float32 `[batch, height, width, channels]`.
        seed: int32 `[2]`.
        weighting: How the objective differs from the bound.
    """
    return model.terms(images, seed, weighting)


def wake_sleep(model: VAE, images: tf.Tensor, seed: tf.Tensor, weighting: Weighting) -> Terms:
    """The wake-sleep algorithm (Hinton et al., 1995), which maximises no one bound.

    In the wake phase decoder and prior maximise log p(x, z) at a sample z of q(z|x). In the sleep
    phase the encoder maximises log q(z|x) of images x that the decoder samples from z of the prior.
    No gradient of one phase reaches the weights of the other, except with a prior that uses the
    encoder (`vamp`).

    Args:
        model: A VAE.
        images: float32 `[batch, height, width, channels]`.
        seed: int32 `[2]`.
        weighting: Is not used: the objective has no variants.
    """
    wake_seed, dream_seed, pixel_seed = tf.unstack(tf.random.experimental.stateless_split(seed, 3))
    prior, posterior = model.prior.distribution(), model.encode(images)
    latents, log_q = sample_and_log_prob(posterior, wake_seed)
    latents = tf.stop_gradient(latents)
    reconstruction = model.decode(latents).log_prob(images)
    dreams = tf.stop_gradient(random_numbers.sample_rows(prior, images.shape[0], dream_seed))
    dreamt = random_numbers.sample(model.decode(dreams), pixel_seed)
    dreamt = tf.stop_gradient(tf.cast(dreamt, tf.float32))
    objective = reconstruction + prior.log_prob(latents) + model.encode(dreamt).log_prob(dreams)
    kl = divergence(posterior, prior, latents, log_q)
    return Terms(objective, reconstruction - kl, reconstruction, kl)
