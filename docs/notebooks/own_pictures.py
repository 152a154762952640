# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Notebook: own pictures
#
# A model of a folder of pictures, from Python. The pictures are made here, so that the notebook
# runs as it is; put the path of your own folder in the place of `folder`.

# %% tags=["remove-cell"]
# In a notebook, TensorFlow writes its messages among the results.
import tensorflow as tf

tf.get_logger().setLevel("ERROR")

# %%
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from PIL import Image, ImageDraw

import kvae


def show(images, columns=10):
    """Show images, floats from 0 to 1, in a grid."""
    plt.figure(figsize=(7, 3))
    grid = kvae.figures.tile(np.asarray(images), columns)
    plt.imshow(grid, cmap="gray", vmin=0, vmax=255)
    plt.axis("off")
    plt.show()


# %% [markdown]
# ## Pictures
#
# 300 grey pictures of 16 x 16 pixels: a disc of any size near the middle.

# %%
folder = Path(tempfile.mkdtemp())
random = np.random.default_rng(0)
for number in range(300):
    x, y = random.uniform(28, 36, 2)
    radius = random.uniform(8, 24)
    picture = Image.new("L", (64, 64), 30)
    circle = x - radius, y - radius, x + radius, y + radius
    ImageDraw.Draw(picture).ellipse(circle, fill=220)
    picture.resize((16, 16), Image.Resampling.LANCZOS).save(folder / f"{number:03}.png")

# %% [markdown]
# ## Load them
#
# `kvae.data.load` takes a folder, a file of arrays or the name of a dataset. Images without splits
# are split at random.

# %%
dataset = kvae.data.load(folder)
counts = len(dataset.train), len(dataset.validation), len(dataset.test)
print("{} to train on, {} to validate, {} to test".format(*counts))
show(dataset.train.images[:20] / 255)

# %% [markdown]
# ## Train a model
#
# `kvae.configure` chooses the options by the images, as the recipe `own` says. Options that are
# given replace its choice.

# %%
config = kvae.configure(dataset, epochs=60)
print(config.model.summary)
model = kvae.build(config, dataset.train.images)
history = kvae.train(model, dataset)
print(f"ELBO of validation images: {history[-1]['validation_elbo']:.1f} nats")

# %% [markdown]
# ## Look at the result
#
# Test images, and below them their reconstructions:

# %%
test = dataset.test.images[:10]
show(np.concatenate([test / 255, kvae.reconstruct(model, test)]))

# %% [markdown]
# Samples:

# %%
show(model.sample(20, seed=0))

# %% [markdown]
# ## Save it
#
# A saved model is loaded by `kvae.load`, by commands such as `kvae sample`, and by TensorFlow
# alone.

# %%
kvae.save(model, folder / "model")
loaded = kvae.load(folder / "model")
np.testing.assert_array_equal(loaded.sample(4, seed=0), model.sample(4, seed=0))
