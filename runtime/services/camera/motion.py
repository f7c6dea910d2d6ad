"""Motion: which frames are worth an answer, because the picture changes or changed a moment ago.

The picture is compared with its own running average, both reduced to a small picture. It is in colour, because a red
flower before green leaves can have their grey. How the numbers were chosen, on films of 640 × 480 pixels of a
photograph, as MJPEG of quality 60:

=====================================================  ===============================
film                                                   largest share of changed cells
=====================================================  ===============================
still, noise of standard deviation 0 to 20             0 % (largest difference: 10.5)
light from half to full within 60 s                    0 % (largest difference: 12.3)
light from half to full within 20 s                    23 %
light down by 40 % within 3 s, as by a cloud           41 %
a square of 16 pixels (0.08 % of the picture) moves    0.33 %
a square of 32 pixels (0.33 %) moves                   1.8 %
a square of 64 pixels (1.3 %) moves                    6.5 %
the whole picture sways by 4 pixels                    11 %
=====================================================  ===============================

Between the still and slow ones and the square of 32 pixels lie the cut of 16 levels and the share of 0.5 %.
"""

import math

import numpy as np
from PIL import Image

GRID = (64, 48)
"""Width and height of the small picture, cells. Each is the mean of its pixels, which removes most noise."""
CHANGED_LEVELS = 16.0
"""A cell has changed if one of its colours differs from the running average by more than this, of 255."""
CHANGED_SHARE = 0.005
"""The picture changes if more than this share of its cells have changed: a square of about 1/20 of its width."""
AVERAGE_S = 5.0
"""The running average follows within about this many seconds, and so do slow changes of the light."""
AFTER_MOTION_S = 5.0
"""Answers go on for at least this many seconds after the last change."""
CHECK_S = 0.5
"""Longest time between two looks at the picture, seconds."""


class MotionDetector:
    """Compares frames with their running average."""

    def __init__(self) -> None:
        self._average: np.ndarray | None = None
        self._seconds = 0.0

    def changes(self, seconds: float, picture: np.ndarray) -> bool:
        """Return whether a frame differs from those before it. The first frame does not.

        Args:
            seconds: the time of the frame.
            picture: uint8, shape (height, width, 3), RGB.
        """
        image = Image.fromarray(picture)
        # By whole numbers first, which is fast.
        factors = max(1, image.width // (2 * GRID[0])), max(1, image.height // (2 * GRID[1]))
        small = np.asarray(image.reduce(factors).resize(GRID, Image.Resampling.BOX), dtype=np.float32)
        if self._average is None:
            self._average, self._seconds = small, seconds
            return False
        difference = small - self._average
        weight = 1 - math.exp(-max(0.0, seconds - self._seconds) / AVERAGE_S)
        self._average, self._seconds = self._average + np.float32(weight) * difference, seconds
        return float((np.abs(difference).max(axis=2) > CHANGED_LEVELS).mean()) > CHANGED_SHARE


class MotionGate:
    """Says which frames are answered if only motion is of interest.

    After a change, at least one frame is answered, and frames go on being answered for ``after_s`` seconds.

    Args:
        every_s: seconds between two answered frames.
        after_s: seconds.
    """

    def __init__(self, every_s: float, after_s: float) -> None:
        self._every_s, self._after_s = every_s, after_s
        self._detector = MotionDetector()
        self._pending = False
        self._until = self._next = -math.inf

    def opens(self, seconds: float, picture: np.ndarray) -> bool:
        """Return whether this frame is answered. Every frame must be shown to the gate.

        Args:
            seconds: the time of the frame.
            picture: uint8, shape (height, width, 3), RGB.
        """
        if self._detector.changes(seconds, picture):
            self._pending, self._until = True, seconds + self._after_s
        if seconds < self._next or not (self._pending or seconds <= self._until):
            return False
        # Frames come at times that are not exact.
        self._pending, self._next = False, seconds + self._every_s - min(CHECK_S, self._every_s) / 2
        return True
