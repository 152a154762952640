"""Train images that no recipe knows with `kvae train` alone, and compare with linear models."""

import csv
import json
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw
from sklearn.decomposition import FactorAnalysis
from tqdm import tqdm

import kvae

COMMAND = "kvae"


def crops(images: Sequence[np.ndarray], count: int, window: int, side: int) -> np.ndarray:
    """Square windows of each image at random places, resized: uint8 `[count, side, side, ...]`.

    Args:
        images: uint8 `[height, width]` or `[height, width, 3]`, of any height and width.
        count: How many windows of each image there are.
        window: The side of a window.
        side: The side that it is resized to.
    """
    rng = np.random.default_rng(0)
    found = []
    for image in images:
        height, width = image.shape[:2]
        for _ in range(count):
            row, column = rng.integers(height - window + 1), rng.integers(width - window + 1)
            square = Image.fromarray(image[row : row + window, column : column + window])
            found.append(np.asarray(square.resize((side, side))))
    return np.stack(found)


def _of_scikit_image(*names: str, mode: str = "RGB") -> list[np.ndarray]:
    """Pictures that scikit-image's wheel has. Raises an `ImportError` if it is not installed."""
    import skimage

    folder = Path(skimage.__file__).parent / "data"
    return [np.asarray(Image.open(folder / name).convert(mode)) for name in names]


def _photographs() -> np.ndarray:
    from sklearn.datasets import load_sample_images

    return crops(load_sample_images().images, 1000, 96, 64)


def _faces() -> np.ndarray:
    import skimage

    path = Path(skimage.__file__).parent / "data" / "lfw_subset.npy"
    return np.round(255 * np.load(path)).clip(0, 255).astype(np.uint8)


def _digits() -> np.ndarray:
    from sklearn.datasets import load_digits

    levels = np.round(load_digits().images / 16 * 255).astype(np.uint8)
    return np.stack([np.asarray(Image.fromarray(digit).resize((16, 16))) for digit in levels])


def _all_images(name: str) -> np.ndarray:
    from kvae import data

    dataset = data.load(name)
    splits = dataset.train, dataset.validation, dataset.test
    return np.concatenate([split.images for split in splits])


def _textures() -> np.ndarray:
    pictures = _of_scikit_image("brick.png", "grass.png", "gravel.png", mode="L")
    return crops(pictures, 400, 64, 32)


def _plaids(count: int = 300) -> np.ndarray:
    """A wave across and a wave down in each channel, of any length and phase."""
    rng = np.random.default_rng(1)
    y, x = np.mgrid[:36, :48]
    shape = (count, 3, 1, 1)

    def waves(along: np.ndarray) -> np.ndarray:
        return 60 * np.sin(along * rng.uniform(0.1, 0.6, shape) + rng.uniform(0, 2 * np.pi, shape))

    return (127 + waves(x) + waves(y)).clip(0, 255).astype(np.uint8).transpose(0, 2, 3, 1)


def _rings(count: int = 300) -> np.ndarray:
    """Waves around a point anywhere, of any length and phase."""
    rng = np.random.default_rng(1)
    y, x = np.mgrid[:40, :56]
    row, column, step, phase = rng.uniform(
        [[5], [5], [0.3], [0]], [[35], [50], [0.9], [2 * np.pi]], (4, count)
    )[..., None, None]
    waves = np.sin(np.hypot(y - row, x - column) * step + phase)
    return (127 + 100 * waves).clip(0, 255).astype(np.uint8)


def _discs(count: int = 300) -> np.ndarray:
    """Three discs of any colour, size and place before any colour."""
    rng = np.random.default_rng(1)
    found = np.empty((count, 48, 64, 3), np.uint8)
    y, x = np.mgrid[:48, :64]
    for picture in found:
        picture[:] = rng.integers(0, 256, 3)
        for _ in range(3):
            radius = rng.uniform(3, 10)
            inside = np.hypot(y - rng.uniform(0, 48), x - rng.uniform(0, 64)) < radius
            picture[inside] = rng.integers(0, 256, 3)
    return found


def _letters(count: int = 300) -> np.ndarray:
    """A black letter anywhere on white paper."""
    rng = np.random.default_rng(1)
    found = np.empty((count, 24, 24), np.uint8)
    for picture in found:
        paper = Image.new("L", (24, 24), 255)
        place = int(rng.integers(2, 12)), int(rng.integers(1, 10))
        letter = "ABCDEFGHKMNPRSTXZ"[rng.integers(17)]
        ImageDraw.Draw(paper).text(place, letter, fill=0, font_size=14)
        picture[:] = paper
    return found


def _icons(count: int = 500) -> np.ndarray:
    """A shape of any colour and size in the middle, before any other colour."""
    rng = np.random.default_rng(1)
    found = np.empty((count, 32, 32, 3), np.uint8)
    y, x = np.mgrid[-16:16, -16:16] + 0.5
    for picture in found:
        half = rng.uniform(5, 12)
        shapes = (
            np.maximum(abs(x), abs(y)) < half,
            np.hypot(x, y) < half,
            (abs(y) < half) & (2 * abs(x) < y + half),
            (np.minimum(abs(x), abs(y)) < 2) & (np.maximum(abs(x), abs(y)) < half),
        )
        picture[:] = rng.integers(0, 256, 3)
        picture[shapes[rng.integers(4)]] = rng.integers(0, 256, 3)
    return found


def _dials(count: int = 320) -> np.ndarray:
    """A dial with a pointer in any direction, on a ground of any light grey."""
    rng = np.random.default_rng(1)
    found = np.empty((count, 24, 32), np.uint8)
    for picture in found:
        dial = Image.new("L", (32, 24), int(rng.integers(180, 230)))
        drawing, angle = ImageDraw.Draw(dial), rng.uniform(0, 2 * np.pi)
        drawing.ellipse([6, 2, 26, 22], outline=40, fill=120)
        end = 16 + 9 * np.cos(angle), 12 + 9 * np.sin(angle)
        drawing.line([(16, 12), end], fill=255, width=2)
        picture[:] = dial
    return found


def _bottles(count: int = 260) -> np.ndarray:
    """A glossy bottle of any shape and colour with a label, softly lit, within a pixel or two of
    the middle."""
    rng = np.random.default_rng(11)
    found = np.empty((count, 48, 30, 3), np.uint8)
    y, x = np.mgrid[0:48, 0:30]
    down = (y / 48)[..., None]
    for picture in found:
        neck, body = rng.uniform(0.07, 0.13), rng.uniform(0.22, 0.38)
        shoulder = rng.uniform(8, 25) * (down[..., 0] - rng.uniform(0.3, 0.5))
        half = 30 * (neck + (body - neck) / (1 + np.exp(-shoulder)))
        across = ((x - 15 - rng.normal()) / half)[..., None]
        top, label = rng.uniform(0.06, 0.14), rng.uniform(0.6, 0.68)
        bottle = 1 / (1 + np.exp(8 * (abs(across) - 1)))
        bottle = bottle / (1 + np.exp(60 * (top - down))) / (1 + np.exp(60 * (down - 0.93)))
        light = 1.1 - 0.6 * across**2 + 0.5 * np.exp(-(((across + 0.5) / 0.15) ** 2))
        glass = np.array([[0.15, 0.4, 0.2], [0.5, 0.3, 0.1], [0.6, 0.75, 0.8]])[rng.integers(3)]
        glass = (glass + rng.normal(0, 0.04, 3)) * light.clip(0.2, 1.6)
        ground = (0.86 + rng.normal(0, 0.04, 3)) * (1 - 0.15 * down)
        image = ground + bottle * (glass.clip(0, 1) - ground)
        labelled = bottle * ((down > label) & (down < label + 0.16))
        image += labelled * (rng.uniform(0.3, 1, 3) * light.clip(0.3, 1.1) - image)
        image += rng.normal(0, 0.01, image.shape)
        picture[:] = np.round(255 * image.clip(0, 1))
    return found


def _tents(count: int) -> np.ndarray:
    """A tent with 3 to 6 stripes of any colour, of any width, with a red flag, on grass."""
    rng = np.random.default_rng(5)
    found = np.empty((count, 40, 40, 3), np.uint8)

    def colour(*mean: float) -> tuple[int, ...]:
        return tuple(int(level) for level in (mean + rng.normal(0, 18, 3)).clip(0, 255))

    # Drawn four times as large, and then made smaller, so that edges are smooth.
    for picture in found:
        image = Image.new("RGB", (160, 160), colour(130, 180, 230))
        drawing = ImageDraw.Draw(image)
        horizon = 160 * rng.uniform(0.5, 0.65)
        drawing.rectangle([0, horizon, 160, 160], fill=colour(90, 150, 60))
        middle, top, half = 160 * rng.uniform([0.35, 0.2, 0.2], [0.65, 0.4, 0.35])
        other = tuple(int(level) for level in rng.integers(60, 256, 3))
        stripes = int(rng.integers(3, 7))
        feet = np.linspace(middle - half, middle + half, stripes + 1)
        for number in range(stripes):
            corners = [(middle, top), (feet[number], 136), (feet[number + 1], 136)]
            drawing.polygon(corners, fill=other if number % 2 else (245, 245, 240))
        drawing.polygon(
            [(middle, top), (middle + 20, top + 5), (middle, top + 10)], fill=(200, 30, 30)
        )
        picture[:] = image.resize((40, 40), Image.Resampling.LANCZOS)
    return found


def _fields(count: int = 600) -> np.ndarray:
    """Smooth random fields, such as those of weather, around any level."""
    rng = np.random.default_rng(1)
    rows = np.fft.fftfreq(40)[:, None]
    smooth = np.exp(-2 * (np.pi * 6) ** 2 * (rows**2 + rows.T**2))
    fields = np.fft.ifft2(np.fft.fft2(rng.standard_normal((count, 40, 40))) * smooth).real
    levels = rng.uniform(98, 158, (count, 1, 1))
    return (levels + 900 * fields).clip(0, 255).astype(np.uint8)


def _rockets(count: int, window: int, side: int) -> np.ndarray:
    return crops(_of_scikit_image("astronaut.png", "rocket.jpg"), count, window, side)


DATASETS: dict[str, Callable[[], np.ndarray]] = {
    "crops": _photographs,
    "textures": _textures,
    "rockets": lambda: _rockets(1500, 128, 48),
    "large": lambda: _rockets(200, 192, 128),
    "faces": _faces,
    "digits": _digits,
    "plaids": _plaids,
    "rings": _rings,
    "discs": _discs,
    "letters": _letters,
    "icons": _icons,
    "dials": _dials,
    "bottles": _bottles,
    "tents": lambda: _tents(280),
    "tents-1400": lambda: _tents(1400),
    "fields": _fields,
    "frey": lambda: _all_images("frey"),
    "mnist-3000": lambda: _all_images("mnist")[:3000],
    "mnist-60000": lambda: _all_images("mnist")[:60_000],
}
"""Functions that make the images of each dataset, uint8 `[count, height, width, ...]`."""


def measure(names: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Train and evaluate each dataset as a folder of PNG files, with nothing but the defaults.

    Args:
        names: Names in `DATASETS`.

    Returns:
        For each dataset, its size, the results, or why it is missing.
    """
    results: dict[str, dict[str, Any]] = {}
    for name in tqdm(names, desc="own", disable=None, leave=False):
        try:
            images = DATASETS[name]()
        except ImportError as error:
            results[name] = {"missing": str(error)}
            continue
        with tempfile.TemporaryDirectory() as scratch:
            results[name] = _measure(images, Path(scratch))
    return results


def _measure(images: np.ndarray, scratch: Path) -> dict[str, Any]:
    folder = scratch / "images"
    folder.mkdir()
    for number, image in enumerate(images):
        squeezed = image[..., 0] if image.shape[-1] == 1 else image
        Image.fromarray(squeezed).save(folder / f"{number:05}.png")
    start = time.perf_counter()
    trained = _run(scratch, "train", "--dataset", "images", "--name", "own", "--json")
    seconds = time.perf_counter() - start
    report = _run(scratch, "evaluate", "own", "--json")
    with (scratch / "runs" / "own" / "history.csv").open() as file:
        validation = [float(row["validation_elbo"]) for row in csv.DictReader(file)]
    config = trained["config"]
    latent = config["model"]["latent"]
    found = report["groups"]
    own = found["Reconstruction"]["mean squared error a pixel"]["value"]
    (pca,) = (row["value"] for key, row in found["Reconstruction"].items() if "PCA" in key)
    (factors,) = (
        row for key, row in found["Against linear models"].items() if key.startswith("factor")
    )
    return {
        "images": len(images),
        "shape": config["model"]["image_shape"],
        "latent": latent,
        "shift": config["training"]["shift"],
        "epochs": len(validation),
        "drop": worst_drop(validation),
        "elbo": trained["results"]["elbo"],
        "error": own,
        "pca": pca,
        "error of factor analysis": _error_of_factor_analysis(folder, latent),
        "factor analysis": factors["verdict"],
        "coverage": found["Samples against data"]["prior samples, training images"]["coverage"],
        "seconds": seconds,
    }


def _error_of_factor_analysis(folder: Path, latent: int) -> float:
    """The mean squared error of a pixel of test images, given the means of their factors."""
    data = kvae.data.load(str(folder))
    train, test = (
        split.images.reshape(len(split), -1) / np.float32(255) for split in (data.train, data.test)
    )
    model = FactorAnalysis(latent, random_state=0).fit(train)
    decoded = model.transform(test) @ model.components_ + model.mean_
    return float(np.mean((decoded - test) ** 2))


def worst_drop(elbo: Sequence[float]) -> float:
    """By how much the ELBO is below the best before it, at most, as a share of that.

    The first tenth of the epochs does not count.

    Args:
        elbo: The validation ELBO after each epoch.
    """
    best = np.maximum.accumulate(elbo)
    drops = (best - np.asarray(elbo)) / np.abs(best)
    return float(drops[len(elbo) // 10 :].max())


def _run(folder: Path, *arguments: str) -> Any:
    done = subprocess.run(
        [COMMAND, *arguments], cwd=folder, check=True, stdout=subprocess.PIPE, text=True
    )
    return json.loads(done.stdout)


def table(results: dict[str, dict[str, Any]]) -> str:
    """The results as a Markdown table.

    Args:
        results: What `measure` returned.
    """
    lines = [
        "| | images | shifted by | epochs | worst drop | test ELBO | error of a pixel | × PCA "
        "| factor analysis × PCA | log p(x) against factor analysis | coverage of samples "
        "| seconds |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for name, found in results.items():
        if "missing" in found:
            lines.append(f"| {name} | not run: {found['missing']} | | | | | | | | | | |")
            continue
        size = " x ".join(map(str, found["shape"]))
        lines.append(
            f"| {name} | {found['images']:,} of {size} | {found['shift']} | {found['epochs']} "
            f"| {100 * found['drop']:.1f} % | {found['elbo']:.1f} | {found['error']:.5f} "
            f"| {found['error'] / found['pca']:.2f} "
            f"| {found['error of factor analysis'] / found['pca']:.2f} "
            f"| {found['factor analysis']} "
            f"| {found['coverage']:.2f} "
            f"| {found['seconds']:.0f} |"
        )
    return "\n".join(lines)
