"""Networks that compute features from images or from latents."""
