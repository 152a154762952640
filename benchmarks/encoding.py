"""Time `kvae encode` and `kvae score` beside a loop of Keras's `predict` over the same networks."""

import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from tqdm import tqdm

from benchmarks.commands import run_command

IMAGES = 10_000
LATENT, HIDDEN = 20, 500

PREDICT = """
import csv
import keras
import numpy as np
from keras import layers

def dense(units, activation=None):
    return layers.Dense(units, activation)

images = np.load("images.npy").reshape(-1, 784).astype("float32") / 255
pixels = keras.Input((784,))
features = dense({hidden}, "tanh")(dense({hidden}, "tanh")(pixels))
encoder = keras.Model(pixels, [dense({latent})(features), dense({latent})(features)])
latents = keras.Input(({latent},))
features = dense({hidden}, "tanh")(dense({hidden}, "tanh")(latents))
decoder = keras.Model(latents, dense(784)(features))
rows = []
for start in range(0, len(images), 1000):
    some = images[start : start + 1000]
    mean, log_variance = encoder.predict(some, verbose=0)
    stddev = np.exp(0.5 * log_variance)
    noise = np.random.standard_normal(mean.shape).astype("float32")
    logits = decoder.predict(mean + stddev * noise, verbose=0)
    reconstruction = (some * logits - np.logaddexp(0, logits)).sum(1)
    kl = 0.5 * (mean**2 + stddev**2 - 1 - log_variance).sum(1)
    table = np.column_stack([reconstruction - kl, reconstruction, kl, mean, stddev])
    rows += table.tolist()
with open("predicted.csv", "w", newline="") as file:
    writer = csv.writer(file)
    writer.writerows([f"{{value:.9g}}" for value in row] for row in rows)
"""


def measure(rounds: int) -> dict[str, Any]:
    """Encode MNIST's test images, whose model was trained for one epoch.

    Args:
        rounds: How many times each program runs, in turn.

    Returns:
        The seconds and the peak memory (MiB) of every round, by the name of the program.
    """
    from kvae import data

    results: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        np.save(place / "images.npy", data.load("mnist").test.images[:IMAGES])
        kvae = [sys.executable, "-m", "kvae_cli.main"]
        size = ["--latent", str(LATENT), "--hidden", f"{HIDDEN},{HIDDEN}"]
        train = ["train", "--dataset", "mnist", *size, "--epochs", "1", "--name", "run"]
        run_command([*kvae, *train], place)
        programs = {
            "kvae encode": [*kvae, "encode", "run", "images.npy", "--overwrite"],
            "kvae score": [*kvae, "score", "run", "images.npy", "--output", "scores.csv",
                           "--overwrite"],
            "Keras predict": [sys.executable, "-c", PREDICT.format(hidden=HIDDEN, latent=LATENT)],
        }  # fmt: skip
        for _ in tqdm(range(rounds), desc="encode", disable=None, leave=False):
            for name, program in programs.items():
                seconds, memory = run_command(program, place)
                entry = results.setdefault(name, {"seconds": [], "memory": []})
                entry["seconds"].append(seconds)
                entry["memory"].append(memory)
    return results


def table(results: dict[str, Any]) -> str:
    """The medians as a Markdown table.

    Args:
        results: What `measure` returned.
    """
    reference = median(results["Keras predict"]["seconds"])
    lines = [
        f"| {IMAGES:,} images of MNIST to a .csv file | seconds | × Keras predict | peak MiB |",
        "| --- | --- | --- | --- |",
    ]
    for name, found in results.items():
        seconds = median(found["seconds"])
        lines.append(
            f"| {name} | {seconds:.1f} | {seconds / reference:.2f} "
            f"| {median(found['memory']):.0f} |"
        )
    return "\n".join(lines)
