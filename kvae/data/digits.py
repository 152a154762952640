"""The handwritten digits that come with scikit-learn and need no download."""

import numpy as np

from kvae.data.dataset import Dataset, Split, partition
from kvae.data.request import Request, refuse_resizing

DESCRIPTION = "1,797 handwritten digits of 8 x 8, included in scikit-learn"


def load(request: Request) -> Dataset:
    """Load 1,797 images of 8 x 8 with labels (Alpaydin & Kaynak, 1998; 17 grey levels).

    Args:
        request: Its `seed` decides the splits.

    Raises:
        KvaeError: the request has an `image_size`.
    """
    from sklearn.datasets import load_digits

    refuse_resizing(request)
    bunch = load_digits()
    images = np.round(bunch.images * (255 / 16)).astype(np.uint8)[..., None]
    everything = Split(images, bunch.target)
    # Without regard to the labels, as always: the figures in the documentation are of these splits.
    parts = partition(len(images), request.seed, request.name)
    train, validation, test = (everything.take(part) for part in parts)
    return Dataset(
        request.name,
        train,
        validation,
        test,
        DESCRIPTION,
        label_names=tuple(str(name) for name in bunch.target_names),
        split_seed=request.seed,
    )
