"""TensorFlow Datasets, decoded once and kept beside the TFDS data as plain arrays."""

import contextlib
import io
import logging
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from kvae.data import folder
from kvae.data.dataset import Dataset, Split, check_images
from kvae.data.request import Request, refuse_resizing
from kvae.errors import KvaeError, UsageError
from kvae.io.files import atomic_folder, write_json
from kvae.io.reading import check_npy, read_json

logger = logging.getLogger(__name__)

MAPPED_BYTES = 2**28
"""Larger files are mapped."""

DECODED = "decoded"
"""Folder of the decoded arrays, inside that of the TFDS version they are from."""

MAX_VALIDATION = 10_000

BUILT_IN = {
    "mnist": ("mnist", "70,000 handwritten digits of 28 x 28 (LeCun et al., 1998)"),
    "frey": ("frey_faces/permuted", "1,965 frames of a film of one face, 28 x 20 (Roweis)"),
    "frey/blocks": (
        "frey_faces/blocks",
        "the same frames, with the end of the film held out, as neighbours are nearly equal",
    ),
}
"""Name in TFDS, and description, of the datasets that kvae knows by a name of its own."""


def load_built_in(request: Request) -> Dataset:
    """One of `BUILT_IN`."""
    refuse_resizing(request)
    return _load(request, *BUILT_IN[request.name])


def load_any(request: Request) -> Dataset:
    """Any TFDS dataset with an image a row, as `tfds:NAME` or `tfds:NAME/CONFIG`."""
    name = request.name.removeprefix("tfds:").strip("/")
    if not re.fullmatch(r"\w+(/\w[\w.+-]*)?", name):
        raise UsageError(
            f"{request.name!r} is not tfds:NAME or tfds:NAME/CONFIG, such as tfds:fashion_mnist"
        )
    return _load(request, name, f"{name} of TensorFlow Datasets")


def prepared_folder(data_dir: Path, name: str) -> Path | None:
    """Where the newest prepared version of a TFDS dataset lies, or None; needs no TFDS."""
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
        splits, label_names = _read(prepared / DECODED)
    else:
        splits, label_names = _decode(request, name)
    largest = max(splits, key=lambda split: len(splits[split]))
    train = splits["train" if "train" in splits else largest]
    validation, test = splits.get("validation"), splits.get("test")
    # What is missing is taken from the end of the training images, test first.
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
    )


_Decoded = tuple[dict[str, Split], tuple[str, ...]]
"""Splits as TFDS has them, and the names of the labels."""


def _decode(request: Request, name: str) -> _Decoded:
    """Prepare a dataset with TFDS if need be, and decode it."""
    builder = _prepared_builder(request, name)
    # The folder of a dataset with configurations is known only now, if none was named.
    cache = Path(builder.data_dir) / DECODED
    if request.image_size is None and cache.is_dir():
        return _read(cache)
    if not builder.info.splits:
        raise KvaeError(f"what TFDS prepared of {name} in {builder.data_dir} is empty: delete it")
    image_key, label_key = _find_features(builder.info.features, name)
    splits = {
        split: _decode_split(request, builder, split, image_key, label_key)
        for split in builder.info.splits
    }
    label_names = tuple(builder.info.features[label_key].names) if label_key else ()
    if request.image_size is None:
        _write(cache, splits, label_names)
    return splits, label_names


def _prepared_builder(request: Request, name: str) -> Any:
    import tensorflow_datasets as tfds
    from tensorflow_datasets.core.download import downloader

    import kvae.data.frey_faces.frey_faces_dataset_builder  # noqa: F401  registers the builder

    tfds.disable_progress_bar()
    # TFDS reports what it prepares through absl, and every retry through urllib3.
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
        # What lies there decides how TFDS fails; where nothing does, it is the name.
        if prepared_folder(request.data_dir, name) is None and isinstance(error, ValueError):
            raise UsageError(f"{request.name}: {_first_line(error)}") from error
        raise KvaeError(
            f"what TFDS prepared of {name} in {request.data_dir} is damaged "
            f"({_first_line(error)}): delete its folder"
        ) from error
    _refuse_pipes(request, builder)
    if not (Path(builder.data_dir) / "dataset_info.json").exists():
        logger.info("preparing %s in %s", request.name, builder.data_dir)
    try:
        # TFDS prints what it does to standard output, which is for results.
        with contextlib.redirect_stdout(io.StringIO()):
            builder.download_and_prepare(
                download_config=tfds.download.DownloadConfig(try_download_gcs=False)
            )
    except tfds.download.DownloadError as error:
        raise KvaeError(_put_files(request, builder, _first_line(error))) from error
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
        raise KvaeError(f"TFDS could not prepare {name}: {_first_line(error)}") from error
    return builder


def _refuse_pipes(request: Request, builder: Any) -> None:
    """TFDS would read without an end what is no regular file in place of a download."""
    manual = request.data_dir / "downloads" / "manual"
    # A dataset whose code names no downloads has none.
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
    """What to do without a network: TFDS takes files it knows from `downloads/manual`."""
    files = {info.filename: url for url, info in (builder.url_infos or {}).items()}
    manual = request.data_dir / "downloads" / "manual"
    if not 0 < len(files) <= 8:
        return f"could not download {request.name} ({why}): see TFDS's page on {builder.name}"
    listed = ", ".join(f"{name} (from {url})" for name, url in files.items())
    return f"could not download {request.name} ({why}): put {listed} into {manual} and try again"


def _find_features(features: Any, name: str) -> tuple[str, str | None]:
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
) -> Split:

    count = builder.info.splits[split].num_examples
    scalars = [
        key
        for key, kind in builder.info.features.items()
        if key != label_key and kind.shape == () and np.dtype(kind.np_dtype).kind in "iuf"
    ]
    wanted = {key: True for key in [image_key, label_key, *scalars] if key}
    values: dict[str, list[Any]] = {key: [] for key in wanted}
    rows = _rows(builder, split, wanted, image_key)
    for row in request.progress(rows, count, f"decoding {request.name} {split}"):
        row[image_key] = folder.resize(row[image_key], request.image_size)
        images = values[image_key]
        if images and row[image_key].shape != images[0].shape:
            raise KvaeError(
                f"image {len(images)} of {request.name} {split} is {row[image_key].shape}, but the "
                f"first is {images[0].shape}: give --image-size HEIGHTxWIDTH to resize all of them"
            )
        for key, column in values.items():
            column.append(row[key])
    labels = np.asarray(values.pop(label_key)) if label_key else None
    return Split(
        check_images(np.stack(values.pop(image_key)), f"{request.name} {split}"),
        labels,
        {key: np.asarray(column) for key, column in values.items()},
    )


def _rows(
    builder: Any, split: str, wanted: dict[str, bool], image_key: str
) -> Iterator[dict[str, Any]]:
    import tensorflow_datasets as tfds

    # Batches cross from TensorFlow to NumPy three times faster, but need images of one size.
    batch_size = 500 if None not in builder.info.features[image_key].shape else 1
    batches = builder.as_dataset(
        split=split, batch_size=batch_size, decoders=tfds.decode.PartialDecoding(wanted)
    )
    for batch in tfds.as_numpy(batches):
        for index in range(len(batch[image_key])):
            yield {key: values[index] for key, values in batch.items()}


def _write(cache: Path, splits: dict[str, Split], label_names: tuple[str, ...]) -> None:
    try:
        with atomic_folder(cache) as scratch:
            for name, split in splits.items():
                (scratch / name).mkdir()
                np.save(scratch / name / "images.npy", split.images)
                if split.labels is not None:
                    np.save(scratch / name / "labels.npy", split.labels)
                for key, values in split.features.items():
                    np.save(scratch / name / f"feature-{key}.npy", values)
            write_json(scratch / "info.json", {"splits": list(splits), "labels": label_names})
    except OSError as error:
        # Another process may have been faster, or the data may not be ours to write to. Either way
        # the images are in memory; only the next start is slower.
        logger.debug("not keeping decoded images in %s: %s", cache, error)


def _read(cache: Path) -> _Decoded:
    """The decoded arrays; large ones are mapped into memory rather than read."""
    try:
        info = read_json(cache / "info.json")
        splits, labels = info["splits"], info["labels"]
        if not splits or not all(
            isinstance(listed, list) and all(isinstance(name, str) for name in listed)
            for listed in (splits, labels)
        ):
            raise KvaeError(f"{cache / 'info.json'} does not list splits and labels")
        if not all(re.fullmatch(r"\w[\w.-]*", name) for name in splits):
            raise KvaeError(f"{cache / 'info.json'} lists what is no split")
        found = {name: _read_split(cache / name) for name in splits}
        for name, split in found.items():
            numbers = split.labels
            if numbers is not None and not 0 <= numbers.min() <= numbers.max() < len(labels):
                raise KvaeError(f"{cache / name} has labels without a name")
        return found, tuple(labels)
    except (OSError, ValueError, KeyError, TypeError, KvaeError) as error:
        raise KvaeError(
            f"the decoded images in {cache} are damaged ({_first_line(error)}): delete that folder"
        ) from error


def _read_split(path: Path) -> Split:
    def array(file: Path) -> np.ndarray:
        check_npy(file)
        # Only what is in memory outlasts whatever becomes of the file.
        mapped = file.stat().st_size > MAPPED_BYTES
        return np.load(file, mmap_mode="r" if mapped else None, allow_pickle=False)

    images, labels = array(path / "images.npy"), path / "labels.npy"
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[3] not in (1, 3):
        raise KvaeError(f"{path / 'images.npy'} is {images.dtype} {images.shape}, no images")
    named = array(labels) if labels.exists() else None
    if 0 in images.shape or (
        named is not None and (named.shape != images.shape[:1] or named.dtype.kind not in "iu")
    ):
        raise KvaeError(f"{path} does not hold images with a label each")
    return Split(
        images,
        named,
        {
            file.stem.removeprefix("feature-"): array(file)
            for file in sorted(path.glob("feature-*.npy"))
        },
    )


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
