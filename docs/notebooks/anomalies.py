# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Notebook: anomalies
#
# A model of images bounds log p(x) of each image. Images that are unlike the training images have
# a low bound. This notebook trains a model of scikit-learn's digits without the nines, and looks
# at which images it finds unusual.

# %% tags=["remove-cell"]
# In a notebook, TensorFlow writes its messages among the results.
import tensorflow as tf

tf.get_logger().setLevel("ERROR")

# %%
import matplotlib.pyplot as plt
import numpy as np

import kvae


def show(images, columns=10):
    """Show images, floats from 0 to 1, in a grid."""
    plt.figure(figsize=(7, 2))
    grid = kvae.figures.tile(np.asarray(images), columns)
    plt.imshow(grid, cmap="gray", vmin=0, vmax=255)
    plt.axis("off")
    plt.show()


# %% [markdown]
# ## Data without nines

# %%
digits = kvae.data.load("digits")
usual = kvae.data.Dataset(
    name="no nines",
    train=digits.train.take(digits.train.labels != 9),
    validation=digits.validation.take(digits.validation.labels != 9),
    test=digits.test.take(digits.test.labels != 9),
    description="digits from 0 to 8",
)
nines = digits.test.images[digits.test.labels == 9]
print(f"{len(usual.train)} images to train on; {len(nines)} nines to find")

# %% [markdown]
# ## A model of what is usual

# %%
config = kvae.configure(usual, latent=8, epochs=60)
model = kvae.build(config, usual.train.images)
history = kvae.train(model, usual)

# %% [markdown]
# ## Scores
#
# `kvae.score` compares the bound of each image with those of validation images. Its percentile is
# the percentage of validation images that have a lower bound: 50 is as usual as the middle one,
# and 0 is less usual than all of them.

# %%
random = np.random.default_rng(0)
kinds = {
    "test images, 0 to 8": usual.test.images,
    "nines": nines,
    "upside down": usual.test.images[:, ::-1],
    "black and white swapped": 255 - usual.test.images,
    "noise": random.integers(0, 256, (50, 8, 8, 1)).astype(np.uint8),
}
for name, images in kinds.items():
    scores = kvae.score(model, images, usual.validation.images, samples=50)
    below = np.mean(scores.percentiles < 5)
    median = np.median(scores.percentiles)
    print(f"{name:24} median percentile {median:5.1f}, {below:4.0%} below 5")

# %% [markdown]
# A threshold at percentile 5 marks about 5 % of the usual images wrongly. A kind of image that
# shares its strokes with the usual ones is found less reliably than noise. A high bound does not
# prove that an image is of the training data.
#
# ## The least usual test images

# %%
scores = kvae.score(model, usual.test.images, usual.validation.images, samples=50)
show(usual.test.images[np.argsort(scores.bounds)[:10]] / 255)
