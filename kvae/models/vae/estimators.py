"""Estimators of the gradient that training follows.

Each is a function that returns `Terms`. Training follows the gradient of their `objective`. Their
`elbo`, `reconstruction` and `kl` are those of the plain ELBO, whatever the objective is.
"""

from functools import partial

import tensorflow as tf

from kvae.data import random_numbers
from kvae.models.estimates import divergence
from kvae.models.vae.autoencoder import Autoencoder
from kvae.models.vae.bounds import Terms, Weighting, in_own_units
from kvae.models.vae.posteriors import sample_and_log_prob


def aevb(model: Autoencoder, images: tf.Tensor, seed: tf.Tensor, weighting: Weighting) -> Terms:
    """Auto-encoding variational Bayes: one bound for encoder and decoder (Kingma & Welling, 2014).

    Args:
        model: A VAE, or a conditional one given labels.
        images: float32 `[batch, height, width, channels]`.
        seed: int32 `[2]`; decides all random numbers.
        weighting: How the objective differs from the bound.
    """
    return model.terms(images, seed, weighting)


def wake_sleep(
    model: Autoencoder, images: tf.Tensor, seed: tf.Tensor, weighting: Weighting
) -> Terms:
    """The wake-sleep algorithm (Hinton et al., 1995), whose objective is not a single bound.

    In the wake phase, decoder and prior maximise log p(x, z) at a sample z from q(z|x). In the
    sleep phase, the encoder maximises log q(z|x), where z is a sample from the prior and x is an
    image that the decoder samples given z. No gradient of one phase reaches the weights of the
    other, except with a prior that uses the encoder (`vamp`).

    Args:
        model: A VAE, or a conditional one given labels.
        images: float32 `[batch, height, width, channels]`.
        seed: int32 `[2]`; decides all random numbers.
        weighting: It is not used: this objective has no variants.
    """
    wake_seed, dream_seed, pixel_seed = tf.unstack(tf.random.experimental.stateless_split(seed, 3))
    prior, posterior = model.prior.distribution(), model.encoder(images)
    latents, log_q = sample_and_log_prob(posterior, wake_seed)
    latents = tf.stop_gradient(latents)
    reconstruction = model.decode(latents).log_prob(images)
    if prior.batch_shape.rank == 0:
        dreams = random_numbers.sample_rows(partial(prior.sample, seed=dream_seed), images.shape[0])
    else:
        dreams = random_numbers.sample(prior, dream_seed)
    dreams = tf.stop_gradient(dreams)
    dreamt = random_numbers.sample(model.decode(dreams), pixel_seed)
    dreamt = tf.stop_gradient(tf.cast(dreamt, tf.float32))
    # Not `model.encode`, since pixels that are dreamt may be outside [0, 1].
    objective = reconstruction + prior.log_prob(latents) + model.encoder(dreamt).log_prob(dreams)
    kl = divergence(posterior, prior, latents, log_q)
    terms = Terms(objective, reconstruction - kl, reconstruction, kl)
    return in_own_units(terms, model.config.data.log_scale)
