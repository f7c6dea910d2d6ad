"""Photographs as careless photographers take them: turned, blurred, compressed, noisy, grey, small in the frame.

Each corruption takes the upright RGB photograph and returns another one, before the preprocessing of the model. The
idea is that of Hendrycks and Dietterich, "Benchmarking Neural Network Robustness to Common Corruptions and
Perturbations", ICLR 2019.
"""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from io import BytesIO
from itertools import islice
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter

from finetune.data.photo_batches import read_photo
from runtime.photos.preprocessing import Preprocessing

BLUR_RADIUS = 4
JPEG_QUALITY = 10
NOISE_DEVIATION = 30
THUMBNAIL_SIDE = 96
WIDER_FRAME = 2.0
CORNER_FRAME = 1.6
BACKGROUND_SIDE = 16
"""Side of the reduced photograph that is enlarged to a blurred background."""


@dataclass(frozen=True)
class Corruption:
    """One way in which a photograph is worse than Oxford's."""

    name: str
    """For options and the JSON report."""
    description: str
    """For the table."""
    apply: Callable[[Image.Image, np.random.Generator], Image.Image]
    """From an upright RGB photograph to a corrupted one. Random numbers come from the generator only."""


def _turned(image: Image.Image, _: np.random.Generator) -> Image.Image:
    return image.rotate(180)


def _blurred(image: Image.Image, _: np.random.Generator) -> Image.Image:
    return image.filter(ImageFilter.GaussianBlur(BLUR_RADIUS))


def _compressed(image: Image.Image, _: np.random.Generator) -> Image.Image:
    file = BytesIO()
    image.save(file, "JPEG", quality=JPEG_QUALITY)
    return Image.open(file).convert("RGB")


def _noisy(image: Image.Image, random: np.random.Generator) -> Image.Image:
    pixels = np.asarray(image, np.float32)
    noise = NOISE_DEVIATION * random.standard_normal(pixels.shape, np.float32)
    return Image.fromarray((pixels + noise).clip(0, 255).astype(np.uint8))


def _grey(image: Image.Image, _: np.random.Generator) -> Image.Image:
    return image.convert("L").convert("RGB")


def _thumbnail(image: Image.Image, _: np.random.Generator) -> Image.Image:
    scale = THUMBNAIL_SIDE / min(image.size)
    return image.resize((max(1, round(image.width * scale)), max(1, round(image.height * scale))))


def _in_the_middle(image: Image.Image, _: np.random.Generator) -> Image.Image:
    return _in_wider_frame(image, WIDER_FRAME, (0.5, 0.5))


def _in_a_corner(image: Image.Image, random: np.random.Generator) -> Image.Image:
    return _in_wider_frame(image, CORNER_FRAME, (float(random.integers(2)), 1.0))


def _in_wider_frame(image: Image.Image, factor: float, place: tuple[float, float]) -> Image.Image:
    """Return a frame ``factor`` times as large, which is a blurred enlargement of the photograph, with the photograph.

    Args:
        image: the photograph.
        factor: sides of the frame divided by those of the photograph.
        place: 0 to 1 from left to right and from top to bottom.
    """
    size = (round(image.width * factor), round(image.height * factor))
    background = image.resize((BACKGROUND_SIDE, BACKGROUND_SIDE), Image.Resampling.BOX)
    frame = background.resize(size, Image.Resampling.BICUBIC)
    frame.paste(image, (round(place[0] * (size[0] - image.width)), round(place[1] * (size[1] - image.height))))
    return frame


CORRUPTIONS = (
    Corruption("turned", "turned by 180°", _turned),
    Corruption("blurred", f"blurred, radius {BLUR_RADIUS} pixels", _blurred),
    Corruption("compressed", f"JPEG quality {JPEG_QUALITY}", _compressed),
    Corruption("noisy", f"noise, standard deviation {NOISE_DEVIATION}", _noisy),
    Corruption("grey", "grey", _grey),
    Corruption("small", "in the middle half of a blurred frame twice as large", _in_the_middle),
    Corruption("corner", f"in a lower corner of a blurred frame {CORNER_FRAME} times as large", _in_a_corner),
    Corruption("thumbnail", f"a thumbnail of {THUMBNAIL_SIDE} pixels", _thumbnail),
)


def corrupted_views(paths: Sequence[Path], preprocessing: Preprocessing, *, threads: int = 2) -> Iterator[np.ndarray]:
    """Yield each photograph as the network sees it: clean, and then with each of `CORRUPTIONS`.

    The random numbers depend only on the position of the photograph and of the corruption. Threads prepare a few
    photographs in advance, so memory does not grow with their number.

    Yields:
        uint8, shape (1 + corruptions, size, size, 3).

    Raises:
        DataError: a photograph cannot be read.
    """

    def load(index: int) -> np.ndarray:
        image = read_photo(paths[index])
        corrupted = [
            corruption.apply(image, np.random.default_rng([index, place]))
            for place, corruption in enumerate(CORRUPTIONS)
        ]
        # The clean view is what the runtime makes of the file, which it may decode at a reduced size.
        return np.stack([preprocessing(paths[index]), *map(preprocessing.crop, corrupted)])

    remaining = iter(range(len(paths)))
    with ThreadPoolExecutor(threads) as pool:
        following = deque(pool.submit(load, index) for index in islice(remaining, 2 * threads))
        while following:
            current = following.popleft()
            following.extend(pool.submit(load, index) for index in islice(remaining, 1))
            yield current.result()
