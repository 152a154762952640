"""What tests share: small real data, real commands, and the data that must be fetched first."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import kvae
from kvae.data import Dataset, Split
from kvae.data.loading import default_data_dir

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
    return tmp_path_factory.mktemp("cache")


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
