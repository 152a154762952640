"""One `load` for everything that holds images."""

import os

from kvae import registry
from kvae.data.dataset import Dataset
from kvae.data.request import Request, default_data_dir, expanded
from kvae.errors import KvaeError, UsageError
from kvae.progress import Progress, silent


def load(
    name_or_path: str | os.PathLike[str],
    data_dir: str | os.PathLike[str] | None = None,
    seed: int = 0,
    image_size: tuple[int, int] | None = None,
    progress: Progress = silent,
) -> Dataset:
    """Load images in splits for training, validation and testing.

    Args:
        name_or_path: `digits`, `mnist`, `frey`, `frey/blocks`; `tfds:NAME` for any image dataset of
            TensorFlow Datasets; or the path of a folder of images (sub-folders are labels), of a
            `.npy` (one array) or of a `.npz` (one array, or `x_train`, `y_train`, `x_test`, ...).
            Built-in names win: write `./mnist` for a folder called mnist.
        data_dir: Where TFDS keeps its datasets; by default `TFDS_DATA_DIR`, or
            `~/tensorflow_datasets`.
        seed: Decides the splits of data that have none of their own: 80 % train, 10 % validation,
            10 % test.
        image_size: Height and width to resize to; None keeps the images as they are.
        progress: Wraps long loops, as `tqdm` does: called with an iterable, its length and a
            description.

    Returns:
        The dataset: uint8 images `[count, height, width, channels]`.

    Raises:
        UsageError: the name is unknown; the message has the nearest name.
        KvaeError: the data are missing, damaged, or no images.
    """
    name = os.fspath(name_or_path)
    if not name:
        raise UsageError("the name of a dataset is empty: kvae data list shows what there is")
    root = expanded(data_dir) if data_dir else default_data_dir()
    request = Request(name, root, seed, image_size, progress)
    if name in registry.DATASETS:
        return registry.resolve(registry.DATASETS, name)(request)
    if name.startswith("tfds:"):
        from kvae.data import tfds

        return tfds.load_any(request)
    path = expanded(name)
    if path.is_dir():
        from kvae.data import folder

        return folder.load(request)
    if path.is_file() or path.suffix in (".npy", ".npz"):
        from kvae.data import arrays

        return arrays.load(request)
    if os.sep in name:
        raise KvaeError(f"there is no folder or file {name}")
    raise registry.unknown(
        "dataset", name, registry.DATASETS, also=", tfds:NAME, and paths of folders, .npy and .npz"
    )
