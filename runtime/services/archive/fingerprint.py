"""A fingerprint of how a photo looks, for finding photos that are nearly the same."""

import numpy as np
from PIL import Image

COLUMNS, ROWS = 9, 8
"""Size to which a photo is reduced: 8 comparisons of neighbours in each of 8 rows make 64 bits."""


def fingerprint(pixels: np.ndarray) -> str:
    """Return the difference hash of a picture as 16 hexadecimal digits (N. Krawetz, "Kind of like that", 2013).

    Each bit says whether a field of the reduced grey picture is darker than its right neighbour, row by row, the first
    field in the most significant bit. Changes of size, brightness and compression change few bits.

    Args:
        pixels: uint8, shape (height, width, 3), RGB.
    """
    grey = Image.fromarray(pixels).convert("L").resize((COLUMNS, ROWS), Image.Resampling.BOX)
    fields = np.asarray(grey)
    return np.packbits(fields[:, :-1] < fields[:, 1:]).tobytes().hex()
