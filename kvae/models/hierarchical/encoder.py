"""q(u|x): the two orders in which levels are inferred.

What u is, and how it is related to z, `kvae.models.hierarchical.decoder` says.
"""

import keras
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from kvae import registry
from kvae.models.hierarchical import maps, vectors
from kvae.models.hierarchical.config import ModelConfig
from kvae.models.hierarchical.decoder import Decoder, Place
from kvae.models.hierarchical.posterior import Choose, Inferred, Level, Posterior
from kvae.models.hierarchical.vectors import of_level
from kvae.models.initialization import Initialization
from kvae.models.vae.posteriors import DiagonalGaussian


class Encoder(keras.Model):
    """q(u|x): a network of images, then one for each level.

    It maps float32 images, `[batch, height, width, channels]`, to a distribution with batch shape
    `[batch]` and event shape `[latents]`.

    Args:
        config: The model's configuration.
        decoder: The generative path, which inference shares.
        seed: Decides the initial weights.
        jit: Whether training is compiled with XLA.
    """

    def __init__(
        self, config: ModelConfig, decoder: Decoder, seed: int = 0, jit: bool = True
    ) -> None:
        super().__init__(name="encoder")
        self.dimensions, self.classes = config.dimensions, len(config.classes)
        # As an attribute, the decoder would be a part of this network, and Keras would count its
        # weights twice. Inside a function it is not.
        self.decoder = lambda: decoder
        initialization = Initialization(None, seed, stream=0)
        self.make_layers(config, initialization, jit)
        if config.condition is not None:
            # Three axes: weight decay is for kernels, which have two or four.
            self.label_images = self.add_weight(
                shape=(self.classes, *config.image_shape[:2]),
                initializer=Initialization(None, seed, stream=3).normal(),
                name="label_images",
            )

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        # A call computes the features alone, and Keras builds only what a call uses.
        features = self.features(tf.zeros((1, *input_shape[1:])))
        self.infer(features, lambda level, mean, stddev: mean)

    def make_layers(self, config: ModelConfig, initialization: Initialization, jit: bool) -> None:
        """Make the layers from images to the levels' posteriors.

        Args:
            config: The model's configuration.
            initialization: Makes the initial weights.
            jit: Whether training is compiled with XLA.
        """
        raise NotImplementedError

    def features(self, images: tf.Tensor, dropout_seed: tf.Tensor | None = None) -> list[tf.Tensor]:
        """What inference needs of images and can be computed before any latents are known.

        Args:
            images: float32 `[batch, height, width, channels]`.
            dropout_seed: int32 `[2]`; decides which hidden units are dropped. None drops none.

        Returns:
            Tensors `[batch, units]`.
        """
        raise NotImplementedError

    def infer(
        self, features: list[tf.Tensor], choose: Choose, dropout_seed: tf.Tensor | None = None
    ) -> Inferred:
        """Infer all levels, one after the other.

        Args:
            features: What `features` returned, followed by the one-hot labels, `[batch, classes]`,
                if the model is conditional.
            choose: The function that chooses the latents of each level, in the units in which
                inference has them: u from the top down, z from the bottom up.
            dropout_seed: int32 `[2]`; decides which hidden units are dropped. None drops none.
        """
        raise NotImplementedError

    def at(
        self,
        latents: tf.Tensor,
        features: list[tf.Tensor],
        dropout_seed: tf.Tensor | None = None,
    ) -> Choose:
        """The function for `infer` that chooses given latents.

        Args:
            latents: u of all levels, `[batch, latents]`.
            features: Those that `infer` will have.
            dropout_seed: int32 `[2]`; decides which hidden units are dropped. None drops none.
        """
        raise NotImplementedError

    def call(self, images: tf.Tensor, dropout_seed: tf.Tensor | None = None) -> Posterior:
        """q(u|x): batch shape `[batch]`, event shape `[latents]`.

        Args:
            images: float32 `[batch, height, width, channels]`.
            dropout_seed: int32 `[2]`; decides which hidden units are dropped. None drops none.
        """
        return Posterior(self, self.features(images, dropout_seed), dropout_seed)

    def given(
        self, images: tf.Tensor, labels: tf.Tensor, dropout_seed: tf.Tensor | None = None
    ) -> Posterior:
        """q(u|x, y) of a conditional model: batch shape `[batch]`, event shape `[latents]`.

        Args:
            images: float32 `[batch, height, width, channels]`.
            labels: The one-hot label of each image, `[batch, classes]`.
            dropout_seed: int32 `[2]`; decides which hidden units are dropped. None drops none.
        """
        seen = self.with_labels(images, labels)
        return Posterior(self, [*self.features(seen, dropout_seed), labels], dropout_seed)

    def with_labels(self, images: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
        """The images with one more channel: float32 `[batch, height, width, channels + 1]`.

        Args:
            images: float32 `[batch, height, width, channels]`.
            labels: The share that each label has in an image, float32 `[batch, classes]`.
        """
        channel = tf.tensordot(labels, tf.convert_to_tensor(self.label_images), 1)
        return tf.concat([images, channel[..., None]], axis=-1)

    def apart(self, features: list[tf.Tensor]) -> tuple[list[tf.Tensor], tf.Tensor | None]:
        """The features of images, and the one-hot labels of a conditional model.

        Args:
            features: The features, followed by the labels if the model is conditional.
        """
        return (features[:-1], features[-1]) if self.classes else (features, None)

    def on_path(self, dropout_seed: tf.Tensor | None) -> tf.Tensor | None:
        """The seed of the dropout of the generative path, apart from that of this network.

        Args:
            dropout_seed: int32 `[2]`; the seed of this network. None drops none.
        """
        return of_level(dropout_seed, 2 * len(self.dimensions))


class TopDown(Encoder):
    """Inference from the top level down: each posterior is an offset from the level's prior.

    Sønderby et al. (2016) and Vahdat & Kautz (2020), Section 3.2, Equation 2: the posterior is
    N(mean + a, (stddev b)^2), where mean and stddev are those of the prior given the levels above.
    In the units of u it is N(a / stddev, b^2). With a counted in units of stddev, too, models of
    MNIST used fewer latents and had a smaller ELBO.
    """

    def make_layers(self, config: ModelConfig, initialization: Initialization, jit: bool) -> None:
        parts, levels = maps if config.map_sides else vectors, range(len(config.levels))
        self.network = parts.features(config, initialization, jit)
        # Each sees the image together with what is above.
        self.joint = [parts.joint(config, level, initialization, jit) for level in levels[:-1]]
        self.heads = [parts.gaussian(config, level, initialization) for level in levels]

    def features(self, images: tf.Tensor, dropout_seed: tf.Tensor | None = None) -> list[tf.Tensor]:
        """The features of images for each level, from the image upwards, each `[batch, units]`,
        or maps of them, `[batch, rows, columns, units]`.

        Args:
            images: float32 `[batch, height, width, channels]`.
            dropout_seed: int32 `[2]`; decides which hidden units are dropped. None drops none.
        """
        return self.network(images, dropout_seed)

    def top(self, images: tf.Tensor) -> tfd.Distribution:
        """q(u_L|x) of the top level: batch shape `[batch]`, event shape `[dimensions]`.

        Args:
            images: float32 `[batch, height, width, channels]`.
        """
        return DiagonalGaussian(*self.heads[-1](self.features(images)[-1]))

    def infer(
        self, features: list[tf.Tensor], choose: Choose, dropout_seed: tf.Tensor | None = None
    ) -> Inferred:
        (each, labels), levels = self.apart(features), list[Level]()

        def inferred(place: Place) -> tf.Tensor:
            level, seen = place.level, each[place.level]
            if place.context is not None:
                own_seed = of_level(dropout_seed, len(each) + level)
                seen = self.joint[level]([seen, place.context], own_seed)
            offset, stddev = self.heads[level](seen)
            mean = offset / place.stddev
            latents, posterior = choose(level, mean, stddev), DiagonalGaussian(mean, stddev)
            kl = tfd.kl_divergence(posterior.distribution, tfd.Normal(0.0, 1.0))
            levels.insert(0, Level(latents, posterior, kl))
            return latents

        path = self.decoder().descend(inferred, self.on_path(dropout_seed), labels)
        return Inferred(levels, path)

    def at(
        self,
        latents: tf.Tensor,
        features: list[tf.Tensor],
        dropout_seed: tf.Tensor | None = None,
    ) -> Choose:
        each = tf.split(latents, self.dimensions, axis=-1)
        return lambda level, *_: each[level]


class BottomUp(Encoder):
    """Inference from the image upwards: q(z_1|x), q(z_2|z_1), and so on.

    Burda et al. (2016), Equation 3.
    """

    def make_layers(self, config: ModelConfig, initialization: Initialization, jit: bool) -> None:
        network = registry.resolve(registry.NETWORKS, config.network)
        self.network = network.from_images(config, initialization, jit)
        levels, units = range(len(config.levels)), vectors.between(config)
        self.upper = [
            vectors.Joined(vectors.multilayer(config, units, initialization, jit))
            for _ in levels[1:]
        ]
        self.heads = [vectors.gaussian(config, level, initialization) for level in levels]

    def features(self, images: tf.Tensor, dropout_seed: tf.Tensor | None = None) -> list[tf.Tensor]:
        """The features of images for the lowest level, `[batch, units]`, alone in a list.

        Args:
            images: float32 `[batch, height, width, channels]`.
            dropout_seed: int32 `[2]`; decides which hidden units are dropped. None drops none.
        """
        return [self.network(images, of_level(dropout_seed, 0))]

    def infer(
        self, features: list[tf.Tensor], choose: Choose, dropout_seed: tf.Tensor | None = None
    ) -> Inferred:
        (seen,), labels = self.apart(features)
        posteriors, found = [], list[tf.Tensor]()
        for level, head in enumerate(self.heads):
            if level:
                known = [found[-1]] if labels is None else [found[-1], labels]
                seen = self.upper[level - 1](known, of_level(dropout_seed, level))
            mean, stddev = head(seen)
            posteriors.append((mean, stddev))
            found.append(choose(level, mean, stddev))
        levels: list[Level] = []

        def rescaled(place: Place) -> tf.Tensor:
            mean, stddev = posteriors[place.level]
            latents = (found[place.level] - place.mean) / place.stddev
            posterior = DiagonalGaussian((mean - place.mean) / place.stddev, stddev / place.stddev)
            # The prior of the level depends on those above, which are inferred from this level:
            # given them, the distribution of its latents is not q.
            log_ratio = posterior.distribution.log_prob(latents) - tfd.Normal(0.0, 1.0).log_prob(
                latents
            )
            levels.insert(0, Level(latents, posterior, log_ratio))
            return latents

        path = self.decoder().descend(rescaled, self.on_path(dropout_seed), labels)
        return Inferred(levels, path)

    def at(
        self,
        latents: tf.Tensor,
        features: list[tf.Tensor],
        dropout_seed: tf.Tensor | None = None,
    ) -> Choose:
        labels = self.apart(features)[1]
        known = [latents] if labels is None else [latents, labels]
        path = self.decoder().path(tf.concat(known, axis=-1), self.on_path(dropout_seed))
        return lambda level, *_: path.latents[level]
