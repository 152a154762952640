"""Measures how a model uses its discrete codes, and finds codes that have collapsed."""

from collections.abc import Mapping

PARTLY = 0.25
"""Codes are partly collapsed if their perplexity is a smaller share of their number than this."""
COLLAPSED = 0.05
"""Codes are collapsed if it is a smaller share than this."""
ONE_CODE = 1.1
"""Codes are collapsed, too, if their perplexity is below this: nearly all are the same one."""
CURE = (
    "try fewer `codes`, more `autoencoder_epochs`, a lower `learning_rate`, or "
    "`quantizer=scalar`, which has no codebook to collapse"
)
"""What to do about codes that are not in use."""


def verdict(perplexity: float, count: int) -> str:
    """Whether codes are `collapsed`, `partly collapsed` or `healthy`.

    Args:
        perplexity: The perplexity of the codes of some images.
        count: The number of different codes.
    """
    if perplexity < max(ONE_CODE, COLLAPSED * count):
        return "collapsed"
    return "partly collapsed" if perplexity < PARTLY * count else "healthy"


def collapse_warning(scalars: Mapping[str, float | int], count: int) -> str | None:
    """A sentence that says what to do about codes that have collapsed; None if they have not.

    Args:
        scalars: Metrics of all test images together, with `perplexity`.
        count: The number of different codes.
    """
    perplexity = scalars["perplexity"]
    if verdict(perplexity, count) != "collapsed":
        return None
    return (
        f"the codes have collapsed: their perplexity is {perplexity:.1f}, and there are {count}; "
        f"{CURE}"
    )
