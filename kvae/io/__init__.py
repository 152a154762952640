"""Atomic files, files that may be damaged, and memory."""
