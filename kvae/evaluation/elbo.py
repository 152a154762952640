"""The ELBO of many images, in compiled chunks that bound memory."""

from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from kvae.data.pixels import to_float
from kvae.evaluation import latents
from kvae.evaluation.statistics import standard_error
from kvae.models.vae.model import VAE

CHUNK = 1000
# Separates the random numbers of evaluation from those of training under the same seed.
STREAM = 1


@dataclass(frozen=True, eq=False)
class Evaluation:
    """What a model says of some images; nats an image.

    Attributes:
        elbo: `[count]`.
        reconstruction: `[count]`.
        kl: `[count]`.
        posterior_means: `[count, latent]`.
        kl_per_dimension: Mean over the images, `[latent]`.
    """

    elbo: np.ndarray
    reconstruction: np.ndarray
    kl: np.ndarray
    posterior_means: np.ndarray
    kl_per_dimension: np.ndarray

    @property
    def active_units(self) -> int:
        """Latent dimensions in use, after Burda et al. (2016)."""
        return latents.active_units(self.posterior_means)

    @property
    def elbo_standard_error(self) -> float:
        """Standard error of the mean ELBO over images."""
        return standard_error(self.elbo)


class Evaluator:
    """Evaluates a model with one compiled function, whatever the number of images.

    Args:
        model: A VAE.
        binarize: As in `kvae.config.DataConfig`.
        seed: Decides the random numbers, which are the same at every call.
        chunk: Images at a time.
        jit: Compile with XLA.
    """

    def __init__(
        self, model: VAE, binarize: str, seed: int, chunk: int = CHUNK, jit: bool = True
    ) -> None:
        self._seed = tf.constant([seed, STREAM])
        self._chunk = chunk

        @tf.function(jit_compile=jit, autograph=False)
        def evaluate(images: tf.Tensor, seed: tf.Tensor) -> tuple[tf.Tensor, ...]:
            pixel_seed, latent_seed = tf.unstack(tf.random.experimental.stateless_split(seed, 2))
            pixels = to_float(images, binarize, pixel_seed, jit)
            terms = model.terms(pixels, latent_seed)
            posterior = model.encode(pixels)
            kl = latents.kl_per_dimension(posterior, model.prior.distribution())
            return terms.elbo, terms.reconstruction, terms.kl, posterior.mean(), kl

        self._evaluate = evaluate

    def __call__(self, images: np.ndarray) -> Evaluation:
        """Evaluate uint8 images `[count, height, width, channels]`."""
        chunks = []
        for start in range(0, len(images), self._chunk):
            # One shape, one compilation: the last chunk is filled up and its surplus cut off.
            index = np.arange(start, start + self._chunk) % len(images)
            seed = tf.random.experimental.stateless_fold_in(self._seed, start)
            chunks.append(self._evaluate(tf.constant(images[index]), seed))
        columns = [
            np.concatenate([part.numpy() for part in parts])[: len(images)]
            for parts in zip(*chunks, strict=True)
        ]
        elbo, reconstruction, kl, means, kl_per_dimension = columns
        return Evaluation(elbo, reconstruction, kl, means, kl_per_dimension.mean(axis=0))
