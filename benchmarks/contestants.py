"""The contestants of the benchmarks: kvae, its matrix products alone, and other frameworks.

Each is a function that prepares the training of a problem, and returns a function that trains one
epoch and returns its mean loss.

A contestant runs in a separate process, so that the threads of one framework do not disturb
another. `python -m benchmarks.contestants NAME PROBLEM` takes the problem as JSON. For every line
on its standard input it runs the problem's epochs, and writes the seconds that an epoch took, the
loss of the last one, and the peak memory so far.
"""

import contextlib
import copy
import dataclasses
import itertools
import json
import math
import os
import resource
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable

import numpy as np

from benchmarks.problems import ACCUMULATOR, EPSILON, MIN_LOG_VARIANCE, Problem

Epoch = Callable[[], float]
ADVERSARIAL_RATE = 5e-4
"""The learning rate of adversarial networks."""
GAUSSIANS = 100
"""The components of their prior."""
AVERAGE = 0.99
"""The decay of the average of a generator's weights."""


def _products(problem: Problem) -> tuple[list[tuple[np.ndarray, np.ndarray]], int]:
    """The matrix products of one step, forward and backward, and the steps of an epoch."""
    rng = np.random.default_rng(0)

    def matrix(*shape: int) -> np.ndarray:
        return rng.standard_normal(shape).astype(np.float32)

    batch, pixels, hidden = problem.batch_size, problem.pixels, problem.hidden
    # Each product has its own arrays, as in training, so that the caches hold the same data.
    x, h1, h2 = matrix(batch, pixels), matrix(batch, hidden), matrix(batch, hidden)
    layers = [(x, matrix(pixels, hidden), False)]
    layers += [(h1, matrix(hidden, problem.latent), True) for _ in ("mean", "log-variance")]
    layers += [(matrix(batch, problem.latent), matrix(problem.latent, hidden), True)]
    heads = 2 if problem.likelihood == "normal" else 1
    layers += [(h2, matrix(hidden, pixels), True) for _ in range(heads)]
    products = [(inputs, weights) for inputs, weights, _ in layers]
    for inputs, weights, wants_input_gradient in reversed(layers):
        upstream = matrix(batch, weights.shape[1])
        products.append((inputs.T, upstream))
        if wants_input_gradient:
            products.append((upstream, weights.T))
    return products, math.ceil(len(problem.load().train) / batch)


def floor_numpy(problem: Problem) -> Epoch:
    """The matrix products of one epoch and nothing else, with NumPy's BLAS."""
    products, steps = _products(problem)

    def epoch() -> float:
        for _ in range(steps):
            for left, right in products:
                left @ right
        return math.nan

    return epoch


def floor_torch(problem: Problem) -> Epoch:
    """The matrix products of one epoch and nothing else, with PyTorch."""
    import torch

    products, steps = _products(problem)
    tensors = [(torch.from_numpy(left), torch.from_numpy(right)) for left, right in products]

    def epoch() -> float:
        with torch.no_grad():
            for _ in range(steps):
                for left, right in tensors:
                    left @ right
        return math.nan

    return epoch


def floor_xla(problem: Problem) -> Epoch:
    """The matrix products of one epoch and nothing else, with XLA, which kvae and JAX use.

    No program that XLA compiles can be faster than this.
    """
    import tensorflow as tf

    products, steps = _products(problem)

    def plain(matrix: np.ndarray) -> tuple[tf.Tensor, bool]:
        """A matrix as a constant, and whether it has to be transposed.

        NumPy's transposes are views, which a constant would copy into another order.
        """
        turned = not matrix.flags.c_contiguous
        return tf.constant(matrix.T if turned else matrix), turned

    rights = [plain(right) for _, right in products]
    lefts = [plain(left) for left, _ in products]

    @tf.function(jit_compile=True, autograph=False)
    def run(lefts: list[tf.Tensor], rights_: list[tf.Tensor]) -> tf.Tensor:
        def step(number: tf.Tensor, total: tf.Tensor, lefts: list[tf.Tensor]) -> list:
            # One number of each matrix changes: XLA would move the products out of the loop if
            # all steps had the same ones.
            change = tf.reshape(1e-9 * total, (1,))
            lefts = [tf.tensor_scatter_nd_update(left, [[0, 0]], change) for left in lefts]
            found = [
                tf.matmul(left, right, transpose_a=turned_left, transpose_b=turned_right)
                for left, right, (turned_left, turned_right) in zip(
                    lefts, rights_, turned, strict=True
                )
            ]
            return [number + 1, tf.add_n([product[0, 0] for product in found]), lefts]

        start = [tf.constant(0), tf.constant(0.0), lefts]
        return tf.while_loop(lambda number, *_: number < steps, step, start)[1]

    turned = [(left[1], right[1]) for left, right in zip(lefts, rights, strict=True)]
    matrices = [left for left, _ in lefts], [right for right, _ in rights]

    def epoch() -> float:
        run(*matrices).numpy()
        return math.nan

    return epoch


def kvae(problem: Problem, jit: bool | None = None, **limits: int) -> Epoch:
    """kvae's compiled epoch."""
    from kvae.training.epochs import CompiledEpoch

    model, plan, dataset = _kvae_model(problem, jit)
    run = CompiledEpoch(plan, dataset.train.images, model.config.training, "none", **limits)
    numbers = itertools.count(1)
    return lambda: -run(next(numbers))["elbo"]


def kvae_jit(problem: Problem) -> Epoch:
    """kvae's epoch compiled with XLA, which is not its default for convolutions."""
    return kvae(problem, jit=True)


def _kvae_model(problem: Problem, jit: bool | None = None) -> tuple:
    """kvae's model, its plan and the dataset for a problem."""
    import kvae as package
    from kvae.training import State

    dataset = problem.load()
    network = {"network": "conv", "channels": problem.stages, "activation": "silu"}
    config = package.configure(
        dataset,
        "reference",
        **(network if problem.stages else {}),
        jit=jit,
        latent=problem.latent,
        hidden=(problem.hidden,),
        likelihood=problem.likelihood,
        batch_size=problem.batch_size,
        optimizer="adagrad",
        learning_rate=problem.learning_rate,
    )
    model = package.build(config)
    return model, State(model, dataset).plan, dataset


def kvae_chunks(problem: Problem) -> Epoch:
    """kvae's compiled epoch with images in chunks, as it trains on images that do not fit."""
    return kvae(problem, resident_bytes=0)


def kvae_shared(problem: Problem, strategy: str = "mirrored") -> Epoch:
    """kvae's epoch with a strategy. With a single device this measures what its loop costs."""
    from kvae.training import new_strategy
    from kvae.training.distributed import DistributedEpoch

    # A strategy must be created before TensorFlow is used for anything else.
    place = new_strategy(strategy)
    model, plan, dataset = _kvae_model(problem)
    run = DistributedEpoch(model, plan, dataset, model.config.training, place)
    numbers = itertools.count(1)
    return lambda: -run(next(numbers))["elbo"]


def kvae_workers(problem: Problem) -> Epoch:
    """kvae's epoch shared by two processes of this machine."""
    addresses = []
    for _ in range(2):
        with socket.create_server(("127.0.0.1", 0)) as server:
            addresses.append(f"127.0.0.1:{server.getsockname()[1]}")

    def config(index: int) -> str:
        task = {"type": "worker", "index": index}
        return json.dumps({"cluster": {"worker": addresses}, "task": task})

    settings = json.dumps(dataclasses.asdict(problem))
    subprocess.Popen(
        [sys.executable, "-m", "benchmarks.contestants", "other worker", settings],
        env=os.environ | {"TF_CONFIG": config(1)},
    )
    os.environ["TF_CONFIG"] = config(0)
    return kvae_shared(problem, "multiworker")


def _other_worker(problem: Problem) -> None:
    """The second worker: train until the first worker ends."""
    from kvae.errors import KvaeError

    epoch = kvae_shared(problem, "multiworker")
    with contextlib.suppress(KvaeError):
        while True:
            epoch()


def _keras_networks(problem: Problem) -> tuple:
    """The encoder's and the decoder's hidden layers, and what makes a layer with an output for each
    number of an image."""
    from keras import Sequential, layers

    if not problem.stages:
        return (
            layers.Dense(problem.hidden, "tanh"),
            layers.Dense(problem.hidden, "tanh"),
            lambda: layers.Dense(problem.pixels),
        )
    options = {"kernel_size": 4, "strides": 2, "padding": "same"}
    side = problem.side >> len(problem.stages)
    encoder = [layers.Conv2D(count, activation="silu", **options) for count in problem.stages]
    first = layers.Dense(side * side * problem.stages[-1], "silu")
    decoder = [
        layers.Conv2DTranspose(count, activation="silu", **options)
        for count in problem.stages[-2::-1]
    ]
    return (
        Sequential([*encoder, layers.Flatten(), layers.Dense(problem.hidden, "silu")]),
        Sequential(
            [
                layers.Dense(problem.hidden, "silu"),
                first,
                layers.Reshape((side, side, problem.stages[-1])),
                *decoder,
            ]
        ),
        lambda: layers.Conv2DTranspose(problem.colours, **options),
    )


def _keras_fit(problem: Problem, jit: bool) -> Epoch:
    import keras
    import tensorflow as tf

    class Model(keras.Model):
        def __init__(self) -> None:
            super().__init__()
            self.encoder_hidden, self.decoder_hidden, pixels = _keras_networks(problem)
            self.mean = keras.layers.Dense(problem.latent)
            self.log_variance = keras.layers.Dense(problem.latent)
            self.pixels = pixels()
            if problem.likelihood == "normal":
                self.pixel_log_variance = pixels()
            self.loss = keras.metrics.Mean(name="loss")

        @property
        def metrics(self) -> list:
            return [self.loss]

        def call(self, x: tf.Tensor) -> tf.Tensor:
            hidden = self.encoder_hidden(x)
            mean, log_variance = self.mean(hidden), self.log_variance(hidden)
            z = mean + tf.exp(0.5 * log_variance) * tf.random.normal(tf.shape(mean))
            hidden = self.decoder_hidden(z)
            pixels = self.pixels(hidden)
            if problem.likelihood == "normal":
                free = self.pixel_log_variance(hidden)
                lv = MIN_LOG_VARIANCE + tf.nn.softplus(free - MIN_LOG_VARIANCE)
                error = (x - tf.sigmoid(pixels)) ** 2 * tf.exp(-lv)
                log_p = -0.5 * (error + lv + math.log(2 * math.pi))
            else:
                log_p = -tf.nn.sigmoid_cross_entropy_with_logits(labels=x, logits=pixels)
            kl = -0.5 * tf.reduce_sum(1 + log_variance - mean**2 - tf.exp(log_variance), axis=1)
            return kl - tf.reduce_sum(log_p, axis=range(1, len(log_p.shape)))

        def train_step(self, x: tf.Tensor) -> dict:
            with tf.GradientTape() as tape:
                losses = self(x, training=True)
                loss = tf.reduce_mean(losses)
            weights = self.trainable_variables
            self.optimizer.apply(tape.gradient(loss, weights), weights)
            self.loss.update_state(losses)
            return {"loss": self.loss.result()}

    keras.utils.set_random_seed(0)
    floats = problem.floats()
    model = Model()
    model.compile(keras.optimizers.Adagrad(problem.learning_rate), jit_compile=jit)

    def epoch() -> float:
        history = model.fit(floats, batch_size=problem.batch_size, epochs=1, verbose=0)
        return float(history.history["loss"][0])

    return epoch


def keras_fit(problem: Problem) -> Epoch:
    """Keras's `fit` with a `train_step` that computes the same as kvae."""
    return _keras_fit(problem, jit=False)


def keras_fit_jit(problem: Problem) -> Epoch:
    """Keras's `fit` with a `train_step` that computes the same as kvae, compiled with XLA."""
    return _keras_fit(problem, jit=True)


def _torch_networks(problem: Problem):
    import torch
    from torch import nn

    def dense(inputs: int, outputs: int) -> nn.Linear:
        layer = nn.Linear(inputs, outputs)
        nn.init.xavier_uniform_(layer.weight)
        nn.init.zeros_(layer.bias)
        return layer

    torch.manual_seed(0)
    if problem.stages:
        return _torch_convolutions(problem, dense)
    return nn.ModuleDict(
        {
            "encoder": dense(problem.pixels, problem.hidden),
            "mean": dense(problem.hidden, problem.latent),
            "log_variance": dense(problem.hidden, problem.latent),
            "decoder": dense(problem.latent, problem.hidden),
            "pixels": dense(problem.hidden, problem.pixels),
        }
        | (
            {"pixel_log_variance": dense(problem.hidden, problem.pixels)}
            if problem.likelihood == "normal"
            else {}
        )
    )


def _torch_convolutions(problem: Problem, dense: Callable):
    """The convolutional networks, whose tensors have the channels last, as oneDNN is fastest."""
    import torch
    from torch import nn

    side = problem.side >> len(problem.stages)
    features = side * side * problem.stages[-1]

    def layer(kind: type, inputs: int, outputs: int) -> nn.Module:
        made = kind(inputs, outputs, 4, 2, 1)
        nn.init.xavier_uniform_(made.weight)
        nn.init.zeros_(made.bias)
        return made

    encoder: list[nn.Module] = []
    for inputs, outputs in itertools.pairwise((problem.colours, *problem.stages)):
        encoder += [layer(nn.Conv2d, inputs, outputs), nn.SiLU()]
    decoder: list[nn.Module] = [dense(problem.latent, problem.hidden), nn.SiLU()]
    decoder += [dense(problem.hidden, features), nn.SiLU()]
    decoder += [nn.Unflatten(1, (problem.stages[-1], side, side))]
    for inputs, outputs in itertools.pairwise(problem.stages[::-1]):
        decoder += [layer(nn.ConvTranspose2d, inputs, outputs), nn.SiLU()]
    heads = ["pixels"] + ["pixel_log_variance"] * (problem.likelihood == "normal")
    nets = {
        "encoder": nn.Sequential(
            *encoder, nn.Flatten(), dense(features, problem.hidden), nn.SiLU()
        ),
        "mean": dense(problem.hidden, problem.latent),
        "log_variance": dense(problem.hidden, problem.latent),
        "decoder": nn.Sequential(*decoder),
    } | {name: layer(nn.ConvTranspose2d, problem.stages[0], problem.colours) for name in heads}
    return nn.ModuleDict(nets).to(memory_format=torch.channels_last)


def torch_eager(problem: Problem) -> Epoch:
    """An eager PyTorch training loop over a DataLoader."""
    import torch
    from torch import nn
    from torch.nn import functional
    from torch.utils.data import DataLoader, TensorDataset

    nets = _torch_networks(problem)
    optimizer = torch.optim.Adagrad(
        nets.parameters(),
        problem.learning_rate,
        initial_accumulator_value=ACCUMULATOR,
        eps=EPSILON,
    )
    floats = torch.from_numpy(problem.floats())
    activation = nn.Identity() if problem.stages else nn.Tanh()
    if problem.stages:
        floats = floats.permute(0, 3, 1, 2)
    images = TensorDataset(floats)
    loader = DataLoader(images, batch_size=problem.batch_size, shuffle=True)

    def losses(x: torch.Tensor) -> torch.Tensor:
        hidden = activation(nets["encoder"](x))
        mean, log_variance = nets["mean"](hidden), nets["log_variance"](hidden)
        z = mean + torch.exp(0.5 * log_variance) * torch.randn_like(mean)
        hidden = activation(nets["decoder"](z))
        pixels = nets["pixels"](hidden)
        if problem.likelihood == "normal":
            free = nets["pixel_log_variance"](hidden)
            lv = MIN_LOG_VARIANCE + functional.softplus(free - MIN_LOG_VARIANCE)
            error = (x - torch.sigmoid(pixels)) ** 2 * torch.exp(-lv)
            log_p = -0.5 * (error + lv + math.log(2 * math.pi))
        else:
            log_p = -functional.binary_cross_entropy_with_logits(pixels, x, reduction="none")
        kl = -0.5 * torch.sum(1 + log_variance - mean**2 - torch.exp(log_variance), dim=1)
        return kl - log_p.flatten(1).sum(dim=1)

    def epoch() -> float:
        total = 0.0
        for (x,) in loader:
            if problem.stages:
                x = x.contiguous(memory_format=torch.channels_last)
            optimizer.zero_grad()
            each = losses(x)
            each.mean().backward()
            optimizer.step()
            total += each.detach().sum()
        return float(total) / len(images)

    return epoch


def kvae_adversarial(problem: Problem) -> Epoch:
    """kvae's compiled epoch of an adversarial network with the networks of the problem."""
    import kvae as package
    from kvae.training import State
    from kvae.training.epochs import CompiledEpoch

    dataset = problem.load()
    network = {"network": "conv", "channels": problem.stages} if problem.stages else {}
    config = package.configure(
        dataset,
        family="adversarial",
        latent=problem.latent,
        **{"network": "mlp", "activation": "tanh"} | network,
        hidden=(problem.hidden,),
        batch_size=problem.batch_size,
        discriminator_steps=1,
        prior="mixture",
        components=GAUSSIANS,
        schedule="constant",
        learning_rate=ADVERSARIAL_RATE,
        weight_average=AVERAGE,
    )
    model = package.build(config)
    plan = State(model, dataset).plan
    run = CompiledEpoch(plan, dataset.train.images, config.training, "none")
    numbers = itertools.count(1)
    return lambda: run(next(numbers))["discriminator_loss"]


def torch_adversarial(problem: Problem) -> Epoch:
    """An eager PyTorch training loop of the same losses, penalty and average of the generator."""
    import torch
    from torch import nn
    from torch.nn import functional
    from torch.utils.data import DataLoader, TensorDataset

    nets = _torch_networks(problem)
    activation = nn.Identity() if problem.stages else nn.Tanh()
    generator = nn.Sequential(nets["decoder"], activation, nets["pixels"], nn.Sigmoid())
    discriminator = nn.Sequential(nets["encoder"], activation, nn.Linear(problem.hidden, 1))
    # The prior: Gaussians by the factors of their precision matrices, as in kvae.
    means = nn.Parameter(torch.randn(GAUSSIANS, problem.latent))
    log_diagonals = nn.Parameter(torch.zeros(GAUSSIANS, problem.latent))
    above = nn.Parameter(torch.zeros(GAUSSIANS, problem.latent, problem.latent))
    making = [*generator.parameters(), means, log_diagonals, above]
    averages = copy.deepcopy(making)
    judging, misleading = (
        torch.optim.Adam(weights, ADVERSARIAL_RATE, betas=(0.0, 0.99), eps=EPSILON)
        for weights in (discriminator.parameters(), making)
    )
    floats = torch.from_numpy(problem.floats())
    if problem.stages:
        floats = floats.permute(0, 3, 1, 2)
    images = TensorDataset(floats)
    loader = DataLoader(images, batch_size=problem.batch_size, shuffle=True)

    def made(count: int) -> torch.Tensor:
        chosen = torch.randint(GAUSSIANS, (count,))
        factors = above.triu(1) + torch.diag_embed(log_diagonals.exp())
        noise = torch.randn(count, problem.latent, 1)
        white = torch.linalg.solve_triangular(factors[chosen].mT, noise, upper=False)
        return generator(means[chosen] + white[..., 0])

    def epoch() -> float:
        total = 0.0
        for (x,) in loader:
            if problem.stages:
                x = x.contiguous(memory_format=torch.channels_last)
            scores = discriminator(x.requires_grad_())
            (slope,) = torch.autograd.grad(scores.sum(), x, create_graph=True)
            with torch.no_grad():
                fake = made(len(x))
            each = functional.softplus(-scores) + functional.softplus(discriminator(fake))
            penalty = 0.5 * slope.square().sum() / len(x)
            judging.zero_grad()
            (each.mean() + penalty).backward()
            judging.step()
            discriminator.requires_grad_(False)
            misleading.zero_grad()
            functional.softplus(-discriminator(made(len(x)))).mean().backward()
            misleading.step()
            discriminator.requires_grad_(True)
            with torch.no_grad():
                for kept, weight in zip(averages, making, strict=True):
                    kept.lerp_(weight, 1 - AVERAGE)
            total += each.detach().sum()
        return float(total) / len(images)

    return epoch


def jax_scan(problem: Problem) -> Epoch:
    """A JAX training loop: a whole epoch in one compiled `lax.scan`, the images on the device."""
    import jax
    import jax.numpy as jnp

    images = jnp.asarray(problem.floats())
    count, batch = len(images), problem.batch_size
    steps = math.ceil(count / batch)
    rng = np.random.default_rng(0)

    def dense(inputs: int, outputs: int) -> tuple[jax.Array, jax.Array]:
        limit = math.sqrt(6 / (inputs + outputs))
        kernel = rng.uniform(-limit, limit, (inputs, outputs)).astype(np.float32)
        return jnp.asarray(kernel), jnp.zeros(outputs)

    weights = {
        "encoder": dense(problem.pixels, problem.hidden),
        "mean": dense(problem.hidden, problem.latent),
        "log_variance": dense(problem.hidden, problem.latent),
        "decoder": dense(problem.latent, problem.hidden),
        "pixels": dense(problem.hidden, problem.pixels),
    }
    if problem.likelihood == "normal":
        weights["pixel_log_variance"] = dense(problem.hidden, problem.pixels)

    def losses(weights: dict, x: jax.Array, key: jax.Array) -> jax.Array:
        def apply(name: str, value: jax.Array) -> jax.Array:
            kernel, bias = weights[name]
            return value @ kernel + bias

        hidden = jnp.tanh(apply("encoder", x))
        mean, log_variance = apply("mean", hidden), apply("log_variance", hidden)
        z = mean + jnp.exp(0.5 * log_variance) * jax.random.normal(key, mean.shape)
        hidden = jnp.tanh(apply("decoder", z))
        pixels = apply("pixels", hidden)
        if problem.likelihood == "normal":
            free = apply("pixel_log_variance", hidden)
            lv = MIN_LOG_VARIANCE + jax.nn.softplus(free - MIN_LOG_VARIANCE)
            error = (x - jax.nn.sigmoid(pixels)) ** 2 * jnp.exp(-lv)
            log_p = -0.5 * (error + lv + math.log(2 * math.pi))
        else:
            log_p = x * pixels - jax.nn.softplus(pixels)
        kl = -0.5 * jnp.sum(1 + log_variance - mean**2 - jnp.exp(log_variance), axis=1)
        return kl - log_p.sum(axis=1)

    def step(state: tuple, step_input: tuple) -> tuple:
        weights, accumulators = state
        index, mask, key = step_input

        def loss(weights: dict) -> tuple[jax.Array, jax.Array]:
            total = jnp.sum(mask * losses(weights, images[index], key))
            return total / mask.sum(), total

        gradients, total = jax.grad(loss, has_aux=True)(weights)
        accumulators = jax.tree.map(lambda a, g: a + g**2, accumulators, gradients)
        weights = jax.tree.map(
            lambda w, g, a: w - problem.learning_rate * g / jnp.sqrt(a + EPSILON),
            weights,
            gradients,
            accumulators,
        )
        return (weights, accumulators), total

    @jax.jit
    def run(state: tuple, key: jax.Array) -> tuple:
        order_key, noise_key = jax.random.split(key)
        order = jax.random.permutation(order_key, count)
        padded = jnp.concatenate([order, order[: steps * batch - count]]).reshape(steps, batch)
        masks = (jnp.arange(steps * batch) < count).astype(jnp.float32).reshape(steps, batch)
        inputs = padded, masks, jax.random.split(noise_key, steps)
        state, totals = jax.lax.scan(step, state, inputs)
        return state, totals.sum() / count

    state = weights, jax.tree.map(lambda w: jnp.full_like(w, ACCUMULATOR), weights)
    number = 0

    def epoch() -> float:
        nonlocal state, number
        number += 1
        state, loss = run(state, jax.random.key(number))
        return float(loss)

    return epoch


def pythae(problem: Problem) -> Epoch:
    """The trainer of pythae, which has no Gaussian likelihood with learned variances."""
    if problem.likelihood != "bernoulli":
        raise ImportError("pythae has no Gaussian likelihood with learned variances")
    import torch
    from pythae.data.datasets import BaseDataset
    from pythae.models import VAE, VAEConfig
    from pythae.models.base.base_utils import ModelOutput
    from pythae.models.nn import BaseDecoder, BaseEncoder
    from pythae.trainers import BaseTrainer, BaseTrainerConfig

    nets = _torch_networks(problem)

    class Encoder(BaseEncoder):
        def __init__(self) -> None:
            super().__init__()
            self.hidden, self.mean = nets["encoder"], nets["mean"]
            self.log_variance = nets["log_variance"]

        def forward(self, x: torch.Tensor) -> ModelOutput:
            hidden = torch.tanh(self.hidden(x))
            return ModelOutput(
                embedding=self.mean(hidden), log_covariance=self.log_variance(hidden)
            )

    class Decoder(BaseDecoder):
        def __init__(self) -> None:
            super().__init__()
            self.hidden, self.pixels = nets["decoder"], nets["pixels"]

        def forward(self, z: torch.Tensor) -> ModelOutput:
            hidden = torch.tanh(self.hidden(z))
            return ModelOutput(reconstruction=torch.sigmoid(self.pixels(hidden)))

    config = VAEConfig(
        input_dim=(problem.pixels,), latent_dim=problem.latent, reconstruction_loss="bce"
    )
    floats = torch.from_numpy(problem.floats())
    training = BaseTrainerConfig(
        output_dir=tempfile.mkdtemp(),
        per_device_train_batch_size=problem.batch_size,
        optimizer_cls="Adagrad",
        optimizer_params={"initial_accumulator_value": ACCUMULATOR, "eps": EPSILON},
        learning_rate=problem.learning_rate,
        no_cuda=True,
    )
    images = BaseDataset(floats, torch.zeros(len(floats)))
    trainer = BaseTrainer(VAE(config, Encoder(), Decoder()), images, training_config=training)
    trainer.prepare_training()
    number = 0

    def epoch() -> float:
        nonlocal number
        number += 1
        return float(trainer.train_step(number))

    return epoch


CONTESTANTS: dict[str, Callable[[Problem], Epoch]] = {
    "floor (NumPy)": floor_numpy,
    "floor (PyTorch)": floor_torch,
    "floor (XLA)": floor_xla,
    "kvae": kvae,
    "kvae, XLA": kvae_jit,
    "kvae, in chunks": kvae_chunks,
    "kvae, mirrored": kvae_shared,
    "kvae, two workers": kvae_workers,
    "Keras fit": keras_fit,
    "Keras fit, XLA": keras_fit_jit,
    "PyTorch, eager": torch_eager,
    "kvae, adversarial": kvae_adversarial,
    "PyTorch, adversarial": torch_adversarial,
    "JAX, lax.scan": jax_scan,
    "pythae": pythae,
}


def main() -> None:
    """Prepare a contestant, report whether that worked, and run epochs on request."""
    name, problem = sys.argv[1], Problem(**json.loads(sys.argv[2]))
    if name == "other worker":
        _other_worker(problem)
        return
    # Standard output is for answers only: what frameworks print goes to standard error.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)

    def answer(**value: object) -> None:
        answers.write(json.dumps(value) + "\n")
        answers.flush()

    try:
        epoch = CONTESTANTS[name](problem)
    except ImportError as error:
        answer(missing=str(error))
        return
    # The first epoch compiles.
    epoch()
    answer()
    for _ in sys.stdin:
        start = time.perf_counter()
        for _ in range(problem.epochs):
            loss = epoch()
        seconds = (time.perf_counter() - start) / problem.epochs
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        # The floor has no loss. It returns NaN, which JSON cannot hold.
        answer(seconds=seconds, loss=None if math.isnan(loss) else loss, memory=memory)


if __name__ == "__main__":
    main()
