"""From an RGB photo to the network's input. Validation, calibration and inference all use this one preprocessing.

The network takes bytes: mean and standard deviation are part of the exported graph, and of the module that is trained.
What remains outside is geometry: the centre square of the photo, resampled to the network's size.
"""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from PIL import Image

from runtime.errors import ModelError
from runtime.photos.open_photo import Photo, opened_photo

KEPT_RESOLUTION = 1.2
"""Resolution that a reduced photo has at least, as a multiple of the network's. What reducing a photo saves, and what
it changes in the answers, is in ``benchmarks/report/runtime.md``, part ``large``. The web page has the same number
(``export/web/page/photo.js``)."""
FILTERS = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}


@dataclass(frozen=True)
class Preprocessing:
    """The rule that makes the network's input from a photo. The names of the fields are timm's.

    The centred square whose side is ``crop_pct`` of the photo's shorter side is resampled to ``size`` × ``size``. With
    ``size=224, crop_pct=0.875`` this equals "resize the shorter side to 256, crop 224 from the centre", in one step.
    Pillow's filters widen when they shrink a picture, so the result is antialiased.

    Attributes:
        size: side of the network's input, pixels.
        crop_pct: side of the square as a share of the photo's shorter side, 0.1 to 1.
        interpolation: a name in `FILTERS`.
    """

    size: int = 224
    crop_pct: float = 0.875
    interpolation: str = "bicubic"

    def __post_init__(self) -> None:
        if not (isinstance(self.size, int) and 8 <= self.size <= 2048):
            raise ModelError(f"preprocessing: size must be 8 to 2048 pixels, not {self.size!r}")
        if not (isinstance(self.crop_pct, int | float) and math.isfinite(self.crop_pct) and 0.1 <= self.crop_pct <= 1):
            raise ModelError(f"preprocessing: crop_pct must be between 0.1 and 1, not {self.crop_pct!r}")
        if self.interpolation not in FILTERS:
            raise ModelError(f"preprocessing: interpolation must be one of {', '.join(FILTERS)}")

    def __call__(self, photo: Photo) -> np.ndarray:
        """Return ``photo`` as a uint8 array of shape (size, size, 3), RGB.

        Raises:
            PhotoError: the photo cannot be read.
        """
        # A JPEG is decoded at a half, a quarter or an eighth if that keeps the resolution that is needed, and a very
        # large picture of another format is reduced in the same way.
        min_side = math.ceil(KEPT_RESOLUTION * self.size / self.crop_pct)
        with opened_photo(photo, min_side=min_side) as image:
            pixels = self.crop(image)
            # Its memory is free before another photo may use as much.
            image.close()
            return pixels

    def crop(self, image: Image.Image) -> np.ndarray:
        """Crop and resample an image that is already upright RGB. Returns uint8, shape (size, size, 3)."""
        width, height = image.size
        side = min(width, height) * self.crop_pct
        left, top = (width - side) / 2, (height - side) / 2
        square = image.resize(
            (self.size, self.size), FILTERS[self.interpolation], box=(left, top, left + side, top + side)
        )
        return np.array(square, dtype=np.uint8)

    def to_dict(self) -> dict[str, Any]:
        """Return the rule as plain values, for a checkpoint or a model file."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Preprocessing":
        """Make a rule from the values that `to_dict` returned.

        Raises:
            ModelError: unknown or impossible values.
        """
        try:
            return cls(**values)
        except TypeError:
            raise ModelError(f"preprocessing: expected size, crop_pct and interpolation, not {values!r}") from None
