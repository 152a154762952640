"""TensorFlow Datasets (TFDS), decoded once and kept beside the TFDS data as `.npy` files."""

import contextlib
import dataclasses
import io
import logging
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kvae.data import image_files
from kvae.data.dataset import Dataset, Split
from kvae.data.levels import shape_of_images, together
from kvae.data.request import Request, refuse_resizing, smaller
from kvae.errors import KvaeError, UsageError, first_line
from kvae.io.files import atomic_folder, write_json
from kvae.io.reading import read_arrays, read_json

logger = logging.getLogger(__name__)

MAPPED_BYTES = 2**28
"""Larger files of decoded images are mapped into memory, where the others are read."""

DECODED = "decoded"
"""The folder of the decoded arrays, inside the folder of the TFDS version that they are from."""

MAX_VALIDATION = 10_000
"""The largest number of images held out, where TFDS has no validation or test images."""

BUILT_IN = {
    "mnist": ("mnist", "70,000 handwritten digits of 28 x 28 (LeCun et al., 1998)"),
    "frey": ("frey_faces/permuted", "1,965 frames of a film of one face, 28 x 20 (Roweis)"),
    "frey/blocks": (
        "frey_faces/blocks",
        "the same frames, with the end of the film held out, as neighbouring frames look alike",
    ),
}
"""Name in TFDS and description of each dataset to which kvae gives a name of its own."""


def load_built_in(request: Request) -> Dataset:
    """Load one of the datasets in `BUILT_IN`.

    Args:
        request: Its `name` is the name in kvae.

    Raises:
        KvaeError: the request has an `image_size`, or the data are missing or damaged.
    """
    refuse_resizing(request)
    return _load(request, *BUILT_IN[request.name])


def load_any(request: Request) -> Dataset:
    """Load any TFDS dataset that has images.

    Args:
        request: Its `name` is `tfds:NAME` or `tfds:NAME/CONFIG`.

    Raises:
        UsageError: TFDS has no such dataset.
        KvaeError: the data are missing or damaged, or have no images.
    """
    name = request.name.removeprefix("tfds:").strip("/")
    if not re.fullmatch(r"\w+(/\w[\w.+-]*)?", name):
        raise UsageError(
            f"{request.name!r} is not tfds:NAME or tfds:NAME/CONFIG, such as tfds:fashion_mnist"
        )
    return _load(request, name, f"{name} of TensorFlow Datasets")


def prepared_folder(data_dir: Path, name: str) -> Path | None:
    """Find the newest version of a dataset that TFDS prepared, without importing TFDS.

    Args:
        data_dir: Where TFDS keeps its datasets.
        name: The name in TFDS.

    Returns:
        The folder of that version, or None if there is none.
    """
    versions = [
        path
        for path in (data_dir / name).glob("*.*.*")
        if re.fullmatch(r"\d+\.\d+\.\d+", path.name) and (path / "dataset_info.json").exists()
    ]
    return max(
        versions, key=lambda path: [int(part) for part in path.name.split(".")], default=None
    )


def _load(request: Request, name: str, description: str) -> Dataset:
    prepared = prepared_folder(request.data_dir, name)
    if prepared and (prepared / DECODED).is_dir() and request.image_size is None:
        splits, label_names, assumed = _read_decoded(prepared / DECODED)
    else:
        splits, label_names, assumed = _decode(request, name)
    splits, notes = _by_one_rule(splits, request.name)
    largest = max(splits, key=lambda split: len(splits[split]))
    train = splits["train" if "train" in splits else largest]
    validation, test = splits.get("validation"), splits.get("test")
    # Missing splits are taken from the end of the training images, test images first.
    held_out = max(1, min(MAX_VALIDATION, len(train) // 6))
    if test is None:
        train, test = train.take(slice(-held_out)), train.take(slice(-held_out, None))
    if validation is None:
        train, validation = train.take(slice(-held_out)), train.take(slice(-held_out, None))
    return Dataset(
        name=request.name,
        train=train,
        validation=validation,
        test=test,
        description=description,
        label_names=label_names,
        image_size=request.image_size,
        split_seed=request.seed,
        notes=(*assumed, *notes),
    )


def _by_one_rule(splits: dict[str, Split], name: str) -> tuple[dict[str, Split], Sequence[str]]:
    """Read masks, whose pixels are 0 and 1, as black and white, in all splits alike."""
    pixels, notes = together({f"{name} {key}": split.images for key, split in splits.items()})
    return {
        key: dataclasses.replace(split, images=images)
        for (key, split), images in zip(splits.items(), pixels, strict=True)
    }, notes


_Decoded = tuple[dict[str, Split], tuple[str, ...], tuple[str, ...]]
"""The splits by their names in TFDS, the names of the labels, and what was assumed, in words."""


def _decode(request: Request, name: str) -> _Decoded:
    """Prepare a dataset with TFDS if that was not done before, and decode it."""
    builder = _prepared_builder(request, name)
    # If the name has no configuration, TFDS chose one, and only now the folder is known.
    cache = Path(builder.data_dir) / DECODED
    if request.image_size is None and cache.is_dir():
        return _read_decoded(cache)
    if not builder.info.splits:
        raise KvaeError(f"what TFDS prepared of {name} in {builder.data_dir} is empty: delete it")
    image_key, label_key = _find_features(builder.info.features, name)
    decoded = {
        split: _decode_split(request, builder, split, image_key, label_key)
        for split in builder.info.splits
    }
    assumed: Sequence[str] = ()
    raw = {f"{request.name} {split}": rows[image_key] for split, rows in decoded.items()}
    if all(images.dtype == np.uint8 for images in raw.values()):
        # Kept as they are: what they mean is found whenever they are loaded.
        pixels = [shape_of_images(images, where) for where, images in raw.items()]
    else:
        pixels, assumed = together(raw)
    splits = {}
    for (split, columns), images in zip(decoded.items(), pixels, strict=True):
        del columns[image_key]
        labels = columns.pop(label_key) if label_key else None
        splits[split] = Split(images, labels, columns)
    label_names = tuple(builder.info.features[label_key].names) if label_key else ()
    if request.image_size is None:
        _write_decoded(cache, splits, label_names, tuple(assumed))
    return splits, label_names, tuple(assumed)


def _prepared_builder(request: Request, name: str) -> Any:
    import tensorflow_datasets as tfds
    from tensorflow_datasets.core.download import downloader

    import kvae.data.frey_faces.frey_faces_dataset_builder  # noqa: F401  registers the builder

    tfds.disable_progress_bar()
    # TFDS logs what it prepares through absl, and every retry through urllib3.
    for chatty in ("absl", "urllib3"):
        logging.getLogger(chatty).setLevel(logging.ERROR)
    # Ten retries, each after a longer wait, keep a user without a network waiting for minutes.
    downloader.MAX_RETRIES = 2
    try:
        builder = tfds.builder(name, data_dir=str(request.data_dir), try_gcs=False)
    except tfds.core.DatasetNotFoundError as error:
        from kvae import registry

        names = tfds.list_builders(with_community_datasets=False)
        raise registry.unknown("TFDS dataset", name.split("/")[0], names) from error
    except Exception as error:
        # TFDS fails in many ways if its files are damaged. If it has none, the name is wrong.
        if prepared_folder(request.data_dir, name) is None and isinstance(error, ValueError):
            raise UsageError(f"{request.name}: {first_line(error)}") from error
        raise KvaeError(
            f"what TFDS prepared of {name} in {request.data_dir} is damaged "
            f"({first_line(error)}): delete its folder"
        ) from error
    _refuse_pipes(request, builder)
    if not (Path(builder.data_dir) / "dataset_info.json").exists():
        logger.info("preparing %s in %s", request.name, builder.data_dir)
    try:
        # TFDS prints its progress to standard output, which is for results.
        with contextlib.redirect_stdout(io.StringIO()):
            builder.download_and_prepare(
                download_config=tfds.download.DownloadConfig(try_download_gcs=False)
            )
    except tfds.download.DownloadError as error:
        raise KvaeError(_put_files(request, builder, first_line(error))) from error
    except tfds.download.download_manager.NonMatchingChecksumError as error:
        # TFDS's message is a page; it names the file after "downloaded to".
        found = re.search(r"downloaded to (.+), has wrong", str(error))
        file = found[1] if found else "a downloaded file"
        raise KvaeError(
            f"{file} is not the published file: its size or checksum differs; delete it and try "
            "again"
        ) from error
    except Exception as error:
        # requests, urllib3, absl and TensorFlow each raise their own kinds here.
        if _is_network(error):
            raise KvaeError(_put_files(request, builder, "no network")) from error
        raise KvaeError(f"TFDS could not prepare {name}: {first_line(error)}") from error
    return builder


def _refuse_pipes(request: Request, builder: Any) -> None:
    """Refuse pipes and devices in place of downloads, which TFDS would read without an end."""
    manual = request.data_dir / "downloads" / "manual"
    # `url_infos` is None for a dataset without downloads.
    for info in (builder.url_infos or {}).values():
        path = manual / info.filename
        if path.exists() and not path.is_file():
            raise KvaeError(f"{path} is not the published file: it is not a regular file")


def _is_network(error: BaseException | None) -> bool:
    while error is not None:
        if type(error).__module__.split(".")[0] in ("requests", "urllib3", "urllib", "socket"):
            return True
        error = error.__cause__ or error.__context__
    return False


def _put_files(request: Request, builder: Any, why: str) -> str:
    """Say where TFDS looks for the files of a download that failed."""
    files = {info.filename: url for url, info in (builder.url_infos or {}).items()}
    manual = request.data_dir / "downloads" / "manual"
    if not 0 < len(files) <= 8:
        return f"could not download {request.name} ({why}): see TFDS's page on {builder.name}"
    listed = ", ".join(f"{name} (from {url})" for name, url in files.items())
    return (
        f"could not download {request.name} ({why}): put {listed} into {manual} and try again, or "
        "begin with `dataset=digits`, which needs no download"
    )


def _find_features(features: Any, name: str) -> tuple[str, str | None]:
    """The names of the features that hold the image and, if there is one, the label."""
    import tensorflow_datasets as tfds

    kinds = dict(features.items()) if hasattr(features, "items") else {}
    images = [key for key, kind in kinds.items() if isinstance(kind, tfds.features.Image)]
    labels = [key for key, kind in kinds.items() if isinstance(kind, tfds.features.ClassLabel)]
    if not images:
        raise KvaeError(f"the TFDS dataset {name} has no images; its features are {list(kinds)}")
    image = "image" if "image" in images else images[0]
    label = "label" if "label" in labels else (labels[0] if labels else None)
    return image, label


def _decode_split(
    request: Request, builder: Any, split: str, image_key: str, label_key: str | None
) -> dict[str, np.ndarray]:
    """The columns of a split: images, labels and numbers, by the names of their features."""
    count = builder.info.splits[split].num_examples
    scalars = [
        key
        for key, kind in builder.info.features.items()
        if key != label_key and kind.shape == () and np.dtype(kind.np_dtype).kind in "iuf"
    ]
    wanted = {key: True for key in [image_key, label_key, *scalars] if key}
    values: dict[str, Any] = {key: [] for key in wanted}
    rows = _rows(builder, split, wanted, image_key)
    for row in request.progress(rows, count, f"decoding {request.name} {split}"):
        row[image_key] = image_files.resize(row[image_key], request.image_size)
        images = values[image_key]
        if images and row[image_key].shape != images[0].shape:
            raise KvaeError(
                f"image {len(images)} of {request.name} {split} is {row[image_key].shape}, but the "
                f"first is {images[0].shape}: give {smaller(*images[0].shape[:2])} to resize them"
            )
        for key, column in values.items():
            column.append(row[key])
    values[image_key] = np.stack(values[image_key])
    return {key: np.asarray(column) for key, column in values.items()}


def _rows(
    builder: Any, split: str, wanted: dict[str, bool], image_key: str
) -> Iterator[dict[str, Any]]:
    import tensorflow_datasets as tfds

    # Batches get from TensorFlow to NumPy three times faster, but need images of one size.
    batch_size = 500 if None not in builder.info.features[image_key].shape else 1
    batches = builder.as_dataset(
        split=split, batch_size=batch_size, decoders=tfds.decode.PartialDecoding(wanted)
    )
    for batch in tfds.as_numpy(batches):
        for index in range(len(batch[image_key])):
            yield {key: values[index] for key, values in batch.items()}


def _write_decoded(
    cache: Path, splits: dict[str, Split], label_names: tuple[str, ...], assumed: tuple[str, ...]
) -> None:
    try:
        with atomic_folder(cache) as scratch:
            for name, split in splits.items():
                (scratch / name).mkdir()
                np.save(scratch / name / "images.npy", split.images)
                if split.labels is not None:
                    np.save(scratch / name / "labels.npy", split.labels)
                for key, values in split.features.items():
                    np.save(scratch / name / f"feature-{key}.npy", values)
            info = {"splits": list(splits), "labels": label_names, "assumed": assumed}
            write_json(scratch / "info.json", info)
    except OSError as error:
        # Another process made the folder first, or the user may not write there. The images are in
        # memory all the same, and only the next start takes longer.
        logger.debug("not keeping decoded images in %s: %s", cache, error)


def _read_decoded(cache: Path) -> _Decoded:
    """Read the decoded arrays, which an earlier process kept."""
    try:
        info = read_json(cache / "info.json")
        # Folders of earlier versions of kvae lack what was assumed.
        splits, labels, assumed = info["splits"], info["labels"], info.get("assumed", [])
        if not splits or not all(
            isinstance(listed, list) and all(isinstance(name, str) for name in listed)
            for listed in (splits, labels, assumed)
        ):
            raise KvaeError(f"{cache / 'info.json'} does not list splits and labels")
        if not all(re.fullmatch(r"\w[\w.-]*", name) for name in splits):
            raise KvaeError(f"{cache / 'info.json'} lists names that no split has")
        found = {name: _read_split(cache / name) for name in splits}
        for name, split in found.items():
            numbers = split.labels
            if numbers is not None and not 0 <= numbers.min() <= numbers.max() < len(labels):
                raise KvaeError(f"{cache / name} has labels without a name")
        return found, tuple(labels), tuple(assumed)
    # Damaged files lead NumPy, and the checks above, to errors of many kinds.
    except Exception as error:
        raise KvaeError(
            f"the decoded images in {cache} are damaged ({first_line(error)}): delete that folder"
        ) from error


def _read_split(path: Path) -> Split:
    def array(file: Path) -> np.ndarray:
        # A mapped array changes with its file, so only large files are mapped.
        if file.stat().st_size > MAPPED_BYTES:
            return np.load(file, mmap_mode="r", allow_pickle=False)
        return read_arrays(file)[file.stem]

    images, labels = array(path / "images.npy"), path / "labels.npy"
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[3] not in (1, 3):
        raise KvaeError(f"{path / 'images.npy'} is {images.dtype} {images.shape}, not images")
    named = array(labels) if labels.exists() else None
    if 0 in images.shape or (
        named is not None and (named.shape != images.shape[:1] or named.dtype.kind not in "iu")
    ):
        raise KvaeError(f"{path} does not hold images with one label each")
    return Split(
        images,
        named,
        {
            file.stem.removeprefix("feature-"): array(file)
            for file in sorted(path.glob("feature-*.npy"))
        },
    )
