"""Random seeds: each use of random numbers in a run has a seed of its own."""

import hashlib
from typing import Literal

Use = Literal["network", "order", "view", "window", "mixing"]
"""What random numbers are for: initial weights, the order of an epoch, an augmented view of a photograph, the window of
a stored view, or MixUp and CutMix."""


def derived_seed(seed: int, use: Use, *numbers: int) -> int:
    """Return a seed for one use of random numbers, statistically independent of the seeds for all others.

    A digest of a text is used instead of ``numpy.random.SeedSequence([seed, *numbers])``, which gives the same
    numbers for some different lists: it splits large numbers into several and pads short lists with zeros.

    Args:
        seed: of the run.
        use: what the random numbers are for.
        numbers: identify one of several uses, for example epoch and photograph.

    Returns:
        0 to 2⁶³ - 1.
    """
    text = "/".join(map(str, (seed, use, *numbers)))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1
