"""Gathers what the figures of a saved model are drawn from."""

from pathlib import Path

from kvae.data import Dataset
from kvae.gallery import Subject
from kvae.progress import Progress, silent
from kvae.runs.film import read_frames
from kvae.runs.folders import FRAMES, RUNS
from kvae.runs.history import HISTORY, read_history
from kvae.runs.saved_models import load


def subject(
    model: Path, dataset: Dataset, runs: Path = RUNS, seed: int = 0, progress: Progress = silent
) -> Subject:
    """The saved model that `kvae.gallery` draws, with the history and frames of its run.

    The run is the one with the model's name, if there is one.

    Args:
        model: Folder of the saved model.
        dataset: The images that figures are drawn with.
        runs: Folder of runs.
        seed: Decides all random numbers.
        progress: Shows how much of the longer figures is done.

    Raises:
        KvaeError: The model or the run is damaged.
    """
    folder = runs / model.name
    history = read_history(folder) if (folder / HISTORY).is_file() else None
    frames = read_frames(folder / FRAMES) if (folder / FRAMES).is_file() else None
    return Subject(model.name, load(model), dataset, history, frames, seed, progress)
