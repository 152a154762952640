"""Variational autoencoders with one level of latents."""
