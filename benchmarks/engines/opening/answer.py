"""What every engine gives when it has opened its form."""

from collections.abc import Callable

import numpy as np

Answer = Callable[[np.ndarray], np.ndarray]
"""From one photograph, uint8, shape (1, size, size, 3), RGB, to its logits: float, classes in the last axis."""
