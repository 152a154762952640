# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Notebook: the latent space
#
# A model with two latents maps each image to a point of the plane. This notebook looks at where
# images lie, what lies between them, and which images are neighbours.

# %% tags=["remove-cell"]
# In a notebook, TensorFlow writes its messages among the results.
import tensorflow as tf

tf.get_logger().setLevel("ERROR")

# %%
import matplotlib.pyplot as plt
import numpy as np

import kvae


def show(images, columns):
    """Show images, floats from 0 to 1, in a grid."""
    plt.figure(figsize=(6, 6))
    grid = kvae.figures.tile(np.asarray(images), columns)
    plt.imshow(grid, cmap="gray", vmin=0, vmax=255)
    plt.axis("off")
    plt.show()


# %% [markdown]
# ## A model with two latents

# %%
digits = kvae.data.load("digits")
model = kvae.build(kvae.configure(digits, latent=2, epochs=80))
history = kvae.train(model, digits)

# %% [markdown]
# ## Where images lie
#
# Each point is the mean of q(z|x) of an image, in the colour of its label.

# %%
encoded = kvae.encode(model, digits.train.images)
plt.figure(figsize=(6, 5))
plt.scatter(*encoded.means.T, c=digits.train.labels, cmap="tab10", s=6)
plt.colorbar(label="digit")
plt.xlabel("first latent")
plt.ylabel("second latent")
plt.show()

# %% [markdown]
# ## What the plane decodes to
#
# A grid of points that covers the prior N(0, I) evenly.

# %%
show(model.mean_images(kvae.figures.manifold_latents(12)), columns=12)

# %% [markdown]
# ## What lies between images

# %%
chosen = digits.test.images[:4]
between = kvae.interpolate(model, chosen, steps=10)
show(between.reshape(-1, 8, 8, 1), columns=10)

# %% [markdown]
# ## Neighbours
#
# The first image of each row is a test image, and the others are the training images whose latents
# are nearest.

# %%
neighbours = kvae.nearest(model, chosen, digits.train.images, count=9)
rows = np.concatenate([chosen[:, None], digits.train.images[neighbours.indices]], axis=1)
show(rows.reshape(-1, 8, 8, 1) / 255, columns=10)
