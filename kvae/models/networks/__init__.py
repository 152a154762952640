"""Networks: features from images, and features from latents."""
