"""Atomic files, files that cannot be trusted, and what the machine has room for."""
