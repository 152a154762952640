"""How long the moving averages of weights are, in the recipes of all families."""


def decay(steps: int, averaged: int, share: int = 50) -> float:
    """The decay of a moving average of the weights, rounded to four places.

    At first, averages over more steps would be far behind the weights, and much worse.

    Args:
        steps: The number of steps of the training.
        averaged: Weights are averaged over about so many steps.
        share: In a shorter training, they are averaged over the steps divided by this.
    """
    return round(max(0.0, 1 - max(1 / averaged, share / steps)), 4)
