"""Measures how well latents tell labels apart that the model never saw."""

from typing import NamedTuple

import numpy as np

from kvae.data.dataset import Split

NEIGHBOURS = 5


class LabelScores(NamedTuple):
    """How well latents tell labels apart; 1 is perfect.

    Attributes:
        knn: Accuracy of the label that most of the 5 nearest training latents have.
        linear: Accuracy of multinomial logistic regression.
        clusters: Normalised mutual information of the labels and of k-means clusters, of which
            there are as many as labels.
    """

    knn: float
    linear: float
    clusters: float


def label_scores(
    train: np.ndarray, train_labels: np.ndarray, test: np.ndarray, test_labels: np.ndarray
) -> LabelScores:
    """Learn to tell labels from training latents, and measure that on test latents.

    Args:
        train: Latents of training images, `[count, latent]`.
        train_labels: Labels of the training images, integers `[count]`.
        test: Latents of test images, `[other count, latent]`.
        test_labels: Labels of the test images, integers `[other count]`.
    """
    from sklearn.cluster import KMeans
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import normalized_mutual_info_score
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    knn = KNeighborsClassifier(NEIGHBOURS).fit(train, train_labels)
    linear = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    linear.fit(train, train_labels)
    clusters = KMeans(len(np.unique(test_labels)), n_init=10, random_state=0).fit_predict(test)
    return LabelScores(
        knn=float(knn.score(test, test_labels)),
        linear=float(linear.score(test, test_labels)),
        clusters=float(normalized_mutual_info_score(test_labels, clusters)),
    )


def labelled(*splits: Split) -> bool:
    """Whether all splits have labels, and those of the first are not all the same.

    Args:
        splits: Images with or without labels.
    """
    labels_of = [split.labels for split in splits if split.labels is not None]
    return len(labels_of) == len(splits) and len(np.unique(labels_of[0])) > 1
