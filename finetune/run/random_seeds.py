"""TODO from finetune.batches.augmentation."""

import numpy as np


def derived_seed(seed: int, *where: int) -> int:
    """A seed for one place of a run, independent of all others."""
    return int(np.random.SeedSequence([seed, *where]).generate_state(1, np.uint64)[0] >> 1)
