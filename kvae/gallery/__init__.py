"""The figures of a trained model, by name. They are computed here and plotted by `kvae.figures`."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kvae import figures
from kvae.gallery import embeddings, images, latents, training
from kvae.gallery.subject import NotDrawnError, Subject
from kvae.models.base import (
    Bounds,
    Completes,
    Conditional,
    Decodes,
    Embeds,
    Filters,
    Generates,
    Infers,
    Layered,
    Quantizes,
    Reconstructs,
)

__all__ = ["PICTURES", "NotDrawnError", "Picture", "Subject", "draw", "quick"]


@dataclass(frozen=True)
class Picture:
    """A figure that can be drawn of a model.

    Attributes:
        function: Returns a figure of a `Subject`, or the list of the pictures of an animation.
        needs: Protocols of `kvae.models.base` that the model must implement.
        shows_images: Whether it shows images, which a model of numbers has none of.
        quick: Whether it is drawn after every training of a model that allows it.
    """

    function: Callable[[Subject], Any]
    needs: tuple[type[Any], ...] = ()
    shows_images: bool = True
    quick: bool = True

    def plot(self, subject: Subject) -> Any:
        """The figure, or the list of the pictures of an animation.

        Args:
            subject: The model that is drawn, and its data.

        Raises:
            NotDrawnError: The model or the run lacks what the figure needs, or the figure shows
                images and the model is of numbers.
        """
        if self.shows_images and subject.dataset.train.numbers:
            raise NotDrawnError("it shows images, and the model is of numbers")
        subject.need(*self.needs)
        return self.function(subject)

    def suits(self, subject: Subject) -> bool:
        """Whether the model has what the figure needs.

        Args:
            subject: The model that is drawn, and its data.
        """
        if self.shows_images and subject.dataset.train.numbers:
            return False
        return all(isinstance(subject.model, capability) for capability in self.needs)


PICTURES = {
    "curves": Picture(training.curves, shows_images=False),
    "samples": Picture(images.samples, (Generates,)),
    "completions": Picture(images.completions, (Completes,)),
    "codes": Picture(images.codes, (Quantizes,)),
    "single-codes": Picture(images.single_codes, (Quantizes,)),
    "filters": Picture(images.filters, (Filters,)),
    "labels": Picture(images.labels, (Conditional,)),
    "reconstructions": Picture(images.reconstructions, (Reconstructs,)),
    "manifold": Picture(latents.manifold, (Decodes,)),
    "levels": Picture(latents.levels, (Decodes, Layered)),
    "kl": Picture(latents.kl, (Infers, Decodes, Bounds), shows_images=False),
    "traversals": Picture(latents.traversals, (Infers, Embeds, Decodes, Bounds)),
    "interpolation": Picture(latents.interpolation, (Embeds, Decodes), quick=False),
    "pca": Picture(embeddings.pca, (Embeds,), shows_images=False, quick=False),
    "nearest": Picture(images.nearest, (Generates,), quick=False),
    "tsne": Picture(embeddings.tsne, (Embeds,), shows_images=False, quick=False),
    "tsne-levels": Picture(
        embeddings.tsne_of_levels, (Embeds, Layered), shows_images=False, quick=False
    ),
    "animation": Picture(training.animation, (Generates,)),
}
"""The figures by name."""


def draw(
    subject: Subject, names: Iterable[str], folder: Path, suffix: str = ".png"
) -> dict[str, Path]:
    """Draw figures and save them in a folder.

    Args:
        subject: The model that is drawn, and its data.
        names: Names of figures, which are the keys of `PICTURES`.
        folder: The folder, which is made if it is missing.
        suffix: `.png`, `.svg` or `.pdf`. An animation is always a `.gif`.

    Returns:
        The path of each figure by name.

    Raises:
        NotDrawnError: The model or the run lacks what a figure needs, or the figure shows images
            and the model is of numbers.
    """
    folder.mkdir(parents=True, exist_ok=True)
    paths = {}
    for name in names:
        drawn = PICTURES[name].plot(subject)
        if isinstance(drawn, list):
            paths[name] = folder / f"{name}.gif"
            figures.save_gif(drawn, paths[name])
        else:
            paths[name] = folder / f"{name}{suffix}"
            figures.save(drawn, paths[name])
    return paths


def quick(subject: Subject) -> list[str]:
    """The names of the figures that are drawn after every training, and that the model allows.

    Args:
        subject: The model that is drawn, and its data.
    """
    names = [name for name, picture in PICTURES.items() if picture.quick and picture.suits(subject)]
    if "manifold" in names and not latents.is_plane(subject.model):
        names.remove("manifold")
    return names
