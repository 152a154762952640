"""What tests share: small real data, real commands, and the data that must be fetched first."""

import functools
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from scipy.stats import multivariate_normal

import kvae
from kvae.config import Config, DataConfig, TrainingConfig
from kvae.data import Dataset, Split
from kvae.data.request import default_data_dir
from kvae.models.likelihoods import MIN_LOG_VARIANCE, bounded_log_variance
from kvae.models.vae.config import ModelConfig, ObjectiveConfig

from .in_process import run as in_process_run

MANUAL = Path("downloads/manual")


@pytest.fixture(scope="session")
def digits() -> Dataset:
    """scikit-learn's digits."""
    return kvae.data.load("digits")


@pytest.fixture(scope="session")
def few_digits(digits: Dataset) -> Dataset:
    """150 digits to train on: enough to see an effect, few enough to be quick."""
    return Dataset(
        name="digits",
        train=digits.train.take(slice(150)),
        validation=digits.validation.take(slice(40)),
        test=digits.test.take(slice(40)),
        description="some digits",
        label_names=digits.label_names,
    )


@pytest.fixture
def grey_dataset() -> Callable[..., Dataset]:
    """Makes a dataset of given uint8 training images, which are also held out."""

    def make(images: np.ndarray, name: str = "made") -> Dataset:
        split = Split(images)
        return Dataset(name, split, split, split, "made up")

    return make


@pytest.fixture(scope="session")
def linear_gaussian() -> Callable[..., tuple[kvae.VAE, np.ndarray, np.ndarray]]:
    """Makes a VAE that is a probabilistic PCA, with images of it and their exact log p(x).

    No hidden layers, one scale, a free mean, and the exact posterior, whose standard deviations are
    then multiplied by `stretch` and whose means are moved by `shift` of them.
    Tipping & Bishop (1999), Equations 6 to 8; orthogonal loadings make M diagonal.
    """
    side, latent, noise = 4, 3, 0.08

    def make(
        count: int = 2000, stretch: float = 1.0, shift: float = 0.0
    ) -> tuple[kvae.VAE, np.ndarray, np.ndarray]:
        rng = np.random.default_rng(0)
        basis = np.linalg.qr(rng.standard_normal((side * side, latent)))[0]
        loadings = basis * [0.4, 0.3, 0.2]
        mean = rng.uniform(0.45, 0.55, side * side)
        draws = mean + rng.standard_normal((count, latent)) @ loadings.T
        draws += noise * rng.standard_normal(draws.shape)
        images = np.round(np.clip(draws, 0, 1) * 255).astype(np.uint8)
        model = kvae.build(
            Config(
                "reference",
                "vae",
                DataConfig("made"),
                ModelConfig((side, side, 1), latent, (), "normal-shared", "linear"),
                ObjectiveConfig(),
                TrainingConfig(epochs=1, batch_size=100),
            )
        )
        m = np.diag(loadings.T @ loadings) + noise**2
        stddev = noise / np.sqrt(m)
        encoder, likelihood = model.encoder.posterior, model.decoder.likelihood
        encoder.mean.kernel.assign(loadings / m)
        encoder.mean.bias.assign(-(mean @ loadings) / m + shift * stddev)
        encoder.log_variance.kernel.assign(np.zeros((side * side, latent)))
        encoder.log_variance.bias.assign(2 * np.log(stretch * stddev))
        likelihood.mean.kernel.assign(loadings.T)
        likelihood.mean.bias.assign(mean)
        # The inverse of the bounded log-variance.
        excess = np.log(noise**2) - MIN_LOG_VARIANCE
        likelihood.log_variance.assign(MIN_LOG_VARIANCE + np.log(np.expm1(excess)))
        covariance = loadings @ loadings.T + noise**2 * np.eye(side * side)
        exact = multivariate_normal(mean, covariance).logpdf(images.reshape(count, -1) / 255)
        return model, images.reshape(count, side, side, 1), exact

    return make


@pytest.fixture(scope="session")
def need_data() -> Callable[[str], Path]:
    """The TFDS folder, or a skip where the file asked for is not to be had."""

    def need(file: str) -> Path:
        root = default_data_dir()
        if not (root / file).exists():
            reason = f"{root / file} is not there: set TFDS_DATA_DIR to a folder that has it"
            if os.environ.get("KVAE_REQUIRE_DATA"):
                pytest.fail(reason)
            pytest.skip(reason)
        return root

    return need


@pytest.fixture
def mnist_dir(need_data: Callable[[str], Path]) -> Path:
    """A TFDS folder with MNIST."""
    return need_data("mnist/3.0.1/dataset_info.json")


@pytest.fixture
def frey_dir(need_data: Callable[[str], Path], tmp_path: Path) -> Path:
    """A TFDS folder of its own, with the Frey Faces' file where TFDS looks for it."""
    source = need_data(str(MANUAL / "frey_rawface.mat")) / MANUAL / "frey_rawface.mat"
    root = tmp_path / "tfds"
    (root / MANUAL).mkdir(parents=True)
    (root / MANUAL / "frey_rawface.mat").symlink_to(source)
    return root


Command = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def cache_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Stands for the user's ~/.cache, which tests leave alone."""
    place = tmp_path_factory.getbasetemp()
    # Of processes that test side by side, each has a folder in one that they share.
    folder = (place.parent if "PYTEST_XDIST_WORKER" in os.environ else place) / "cache"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture
def command(tmp_path: Path, cache_home: Path) -> Command:
    """Runs the real `kvae` in a folder of its own."""

    def run(*arguments: object, **variables: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [Path(sys.executable).with_name("kvae"), *map(str, arguments)],
            cwd=tmp_path,
            env=os.environ
            | {"KERAS_BACKEND": "jax", "XDG_CACHE_HOME": str(cache_home)}
            | variables,
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )

    return run


@pytest.fixture(scope="session")
def in_process(cache_home: Path) -> Command:
    """`in_process.run` with the tests' own cache."""
    return functools.partial(in_process_run, XDG_CACHE_HOME=str(cache_home))


@pytest.fixture
def invoke(in_process: Command, tmp_path: Path) -> Command:
    """Runs `kvae` in this process, in the folder in which `command` runs it, too."""
    return lambda *arguments, **variables: in_process(tmp_path, *arguments, **variables)


class PrincipalComponents(NamedTuple):
    """Probabilistic PCA in closed form (Tipping & Bishop, 1999), in nats an image."""

    def log_likelihood(self, model: kvae.VAE, images: np.ndarray) -> float:
        """Mean log p(x) under the decoder's loadings, mean and noise (their Equation 6)."""
        likelihood = model.decoder.likelihood
        loadings = likelihood.mean.kernel.numpy().T
        variance = np.exp(bounded_log_variance(likelihood.log_variance.numpy()))
        covariance = loadings @ loadings.T + variance * np.eye(len(loadings))
        exact = multivariate_normal(likelihood.mean.bias.numpy(), covariance)
        return exact.logpdf(images.reshape(len(images), -1) / 255).mean()

    def maximum(self, images: np.ndarray, latent: int) -> float:
        """The largest that mean log p(x) can be: at their Equations 14 and 15."""
        pixels = images.reshape(len(images), -1) / 255
        eigenvalues = np.sort(np.linalg.eigvalsh(np.cov(pixels.T, bias=True)))[::-1]
        eigenvalues[latent:] = eigenvalues[latent:].mean()
        return -0.5 * (np.log(2 * np.pi * eigenvalues) + 1).sum()

    def perturb(self, model: kvae.VAE) -> None:
        """Move the decoder's weights well away from where they are."""
        rng, likelihood = np.random.default_rng(1), model.decoder.likelihood
        for weight, size in (likelihood.mean.kernel, 0.1), (likelihood.mean.bias, 0.05):
            weight.assign_add(size * rng.standard_normal(weight.shape))
        likelihood.log_variance.assign_add(1.0)


@pytest.fixture(scope="session")
def principal_components() -> PrincipalComponents:
    """Exact likelihoods of the models of `linear_gaussian`."""
    return PrincipalComponents()
