"""Progress of long operations: the library reports it, and the caller decides how it is shown."""

from collections.abc import Callable, Iterable
from typing import Any

Progress = Callable[[Iterable[Any], int, str], Iterable[Any]]
"""Wraps an iterable to show how many of its items are done, as tqdm does.

Its arguments are the iterable, its length and a description.
"""


def silent(items: Iterable[Any], total: int, description: str) -> Iterable[Any]:
    """A `Progress` that shows nothing.

    Args:
        items: The iterable, which is returned unchanged.
        total: The number of items, which is not used.
        description: What is done to the items, which is not used.
    """
    return items
