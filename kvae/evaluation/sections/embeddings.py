"""Rows on how well embeddings tell labels apart."""

from typing import Any

import numpy as np
import tensorflow as tf

from kvae.data.dataset import Split
from kvae.evaluation import labels
from kvae.evaluation.rows import Row
from kvae.models.chunks import of_rows


def label_rows(model: Any, train: Split, held_out: Split) -> list[Row]:
    """How well embeddings tell labels apart that the model never saw.

    Args:
        model: A model that embeds images.
        train: Labelled images that the labels are learned from.
        held_out: Labelled images that this is measured on.
    """
    assert train.labels is not None
    assert held_out.labels is not None
    embeddings = [_embeddings(model, split) for split in (train, held_out)]
    found = labels.label_scores(embeddings[0], train.labels, embeddings[1], held_out.labels)
    chance = float(np.max(np.bincount(held_out.labels)) / len(held_out))
    return [
        Row(name, "", {"value": value}, verdict)
        for name, value, verdict in (
            ("5 nearest neighbours, accuracy", found.knn, f"the commonest label has {chance:.2f}"),
            ("linear probe, accuracy", found.linear, f"the commonest label has {chance:.2f}"),
            ("k-means and labels, NMI", found.clusters, "1 where clusters are labels, 0 by chance"),
        )
    ]


def _embeddings(model: Any, split: Split) -> np.ndarray:
    def embed(model: Any, images: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        return model.embed(model.inputs(images, seed))

    return of_rows(model, embed, split.images)
