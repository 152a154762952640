"""How the weights learn from a batch: what is maximised, as a function of model, images and seed.

Each returns `Terms` whose `objective` has the gradient that training follows; `elbo`,
`reconstruction` and `kl` are the plain ones, whatever is maximised.
"""

import tensorflow as tf

from kvae.data import random_numbers
from kvae.models.vae.bounds import Terms, Weighting, divergence
from kvae.models.vae.model import VAE
from kvae.models.vae.posteriors import sample_and_log_prob


def aevb(model: VAE, images: tf.Tensor, seed: tf.Tensor, weighting: Weighting) -> Terms:
    """Auto-encoding variational Bayes: one bound for encoder and decoder (Kingma & Welling, 2014).

    Args:
        model: A VAE.
        images: float32 `[batch, height, width, channels]`.
        seed: int32 `[2]`.
        weighting: What makes an objective of the bound.
    """
    return model.terms(images, seed, weighting)


def wake_sleep(model: VAE, images: tf.Tensor, seed: tf.Tensor, weighting: Weighting) -> Terms:
    """The wake-sleep algorithm (Hinton et al., 1995), which maximises no one bound.

    Awake, decoder and prior learn to make images likely with the latents that the encoder gives
    them: log p(x, z). Asleep, the encoder learns to say which latents the decoder's own images are
    from: log q(z|x). Neither sees the other's gradient, unless the prior is made of the encoder
    (`vamp`).

    Args:
        model: A VAE.
        images: float32 `[batch, height, width, channels]`.
        seed: int32 `[2]`.
        weighting: That of the ELBO itself; there is no other.
    """
    wake_seed, dream_seed, pixel_seed = tf.unstack(tf.random.experimental.stateless_split(seed, 3))
    prior, posterior = model.prior.distribution(), model.encode(images)
    latents, density = sample_and_log_prob(posterior, wake_seed)
    latents = tf.stop_gradient(latents)
    reconstruction = model.decode(latents).log_prob(images)
    dreams = tf.stop_gradient(random_numbers.sample_rows(prior, images.shape[0], dream_seed))
    dreamt = random_numbers.sample(model.decode(dreams), pixel_seed)
    dreamt = tf.stop_gradient(tf.cast(dreamt, tf.float32))
    objective = reconstruction + prior.log_prob(latents) + model.encode(dreamt).log_prob(dreams)
    kl = divergence(posterior, prior, latents, density)
    return Terms(objective, reconstruction - kl, reconstruction, kl)
