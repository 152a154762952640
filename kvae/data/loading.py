"""One `load` for every source of images."""

import os

from kvae import registry
from kvae.data.columns import Columns
from kvae.data.dataset import Dataset
from kvae.data.look import looked_at
from kvae.data.request import HINT, Request, default_data_dir, expanded, named
from kvae.errors import KvaeError
from kvae.progress import Progress, silent


def load(
    name_or_path: str | os.PathLike[str],
    data_dir: str | os.PathLike[str] | None = None,
    seed: int = 0,
    image_size: tuple[int, int] | None = None,
    progress: Progress = silent,
    columns: Columns | None = None,
) -> Dataset:
    """Load images, or the rows of a table, in splits for training, validation and testing.

    Args:
        name_or_path: `digits`, `mnist`, `frey` or `frey/blocks`; `tfds:NAME` for any image dataset
            of TensorFlow Datasets; or the path of a folder of images (sub-folders are splits or
            labels), of a `.npy` file (one array) or of a `.npz` file (one array, or `x_train`,
            `y_train`, `x_test`, ...). A table of numbers is a `.csv` file, or a `.npy` file of
            floats with two axes. docs/data.md says how each is read. Built-in names come first:
            write `./mnist` for a folder called mnist.
        data_dir: Where TFDS keeps its datasets; by default the environment variable
            `TFDS_DATA_DIR`, or `~/tensorflow_datasets`.
        seed: Decides the splits of data that come without splits: 80 % for training, 10 % for
            validation, 10 % for testing.
        image_size: Height and width to resize to; None keeps the images as they are.
        progress: Shows how far a long load is; called as `kvae.progress.Progress` says.
        columns: How the columns of a table are standardised, as those of a trained model are:
            `model.config.data.columns`. None measures the training rows.

    Returns:
        The dataset, with uint8 images `[count, height, width, channels]`; of a table, with its
        standardised rows, float32 `[rows, columns, 1, 1]`, and its `columns`.

    Raises:
        UsageError: the name is unknown; the message has the nearest name.
        KvaeError: the data are missing or damaged, are not images, or are all the same.
    """
    name = named(name_or_path)
    root = expanded(data_dir) if data_dir else default_data_dir()
    return looked_at(_load(Request(name, root, seed, image_size, progress, columns)))


def _load(request: Request) -> Dataset:
    name = request.name
    if name in registry.DATASETS:
        return registry.resolve(registry.DATASETS, name)(request)
    if name.startswith("tfds:"):
        from kvae.data import tfds

        return tfds.load_any(request)
    path = expanded(name)
    if path.is_dir():
        from kvae.data import folder

        return folder.load(request)
    from kvae.data import tables

    if tables.is_table(path):
        return tables.load(request)
    if path.is_file() or path.suffix in (".npy", ".npz"):
        from kvae.data import arrays

        return arrays.load(request)
    if os.sep in name or (os.altsep or os.sep) in name:
        raise KvaeError(f"there is no folder or file {name}: {HINT}")
    raise registry.unknown(
        "dataset",
        name,
        registry.DATASETS,
        also=f", tfds:NAME, and paths of folders, .npy, .npz and .csv; {HINT}",
    )
