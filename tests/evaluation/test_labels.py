"""What latents know of labels."""

import numpy as np

from kvae.evaluation import label_scores


def test_classes_far_apart_are_told_without_fail():
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(4), 50)
    latents = 20 * np.eye(4)[labels] + rng.standard_normal((200, 4))
    assert label_scores(latents, labels, latents[::3], labels[::3]) == (1, 1, 1)


def test_labels_by_chance_are_not_told():
    rng = np.random.default_rng(0)
    latents, labels = rng.standard_normal((2000, 3)), rng.integers(0, 4, 2000)
    found = label_scores(latents[:1000], labels[:1000], latents[1000:], labels[1000:])
    # Three standard errors around a quarter.
    assert abs(found.knn - 0.25) < 0.042
    assert abs(found.linear - 0.25) < 0.042
    assert found.clusters < 0.02
