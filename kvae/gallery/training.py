"""Figures of how a model was trained."""

from typing import TYPE_CHECKING, Any

from kvae import figures
from kvae.config import family
from kvae.gallery.subject import NotDrawnError, Subject

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def curves(subject: Subject) -> "Figure":
    """The metrics of each epoch.

    Args:
        subject: The model that is drawn, and its data.
    """
    if not subject.history:
        raise NotDrawnError("curves need the run's history.csv, and there is no such run")
    count = len(subject.dataset.train)
    metrics = family(subject.model.config.family).metrics
    title = f"{subject.name}: training and validation"
    return figures.history(subject.history, metrics, count, title, subject.item)


def animation(subject: Subject) -> list[Any]:
    """The samples after each epoch that was kept, as the pictures of an animation.

    Args:
        subject: The model that is drawn, and its data.
    """
    if not subject.frames:
        raise NotDrawnError(
            "the animation needs what was kept in training, and there is no such run"
        )
    return figures.animation(subject.frames["images"], subject.frames["epochs"])
