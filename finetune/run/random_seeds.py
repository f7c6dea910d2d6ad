"""Random seeds: each use of random numbers in a run has a seed of its own."""

import numpy as np


def derived_seed(seed: int, *path: int) -> int:
    """Return a seed for one use of random numbers, statistically independent of the seeds for all others.

    Args:
        seed: of the run.
        path: numbers that identify the use, for example epoch and photograph.
    """
    return int(np.random.SeedSequence([seed, *path]).generate_state(1, np.uint64)[0] >> 1)
