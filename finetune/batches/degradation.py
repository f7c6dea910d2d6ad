"""Training views as careless photographs show flowers: small in the frame, turned, blurred, noisy, grey, compressed.

Oxford's photographs are careful: one large flower, sharp and upright. A network trained on them alone is less accurate
where a flower is small, off-centre or blurred (Hendrycks and Dietterich, "Benchmarking Neural Network Robustness to
Common Corruptions", ICLR 2019). All functions take and return square RGB Pillow images.
"""

from collections.abc import Callable
from io import BytesIO

import numpy as np
import torch
from PIL import Image, ImageFilter

LARGEST_FRAME = 2.6
"""Side of the widest frame, as a multiple of the side of the photograph in it."""
CUT_OFF = 0.15
"""Largest fraction of a photograph's side that lies outside the frame."""
SECOND_DEGRADATION = 0.25
"""Probability that a degraded view is degraded in two ways."""


class CarelessPhoto:
    """Turns, zooms out and degrades a view, each with its own probability.

    The random numbers come from torch's global generator, like those of torchvision's transforms.
    """

    def __init__(self, *, turn: float, zoom_out: float, degrade: float) -> None:
        """Set the probabilities, 0 to 1, of a turn by 90°, 180° or 270°, of a wider frame, and of a degradation."""
        self._turn, self._zoom_out, self._degrade = turn, zoom_out, degrade

    def __call__(self, image: Image.Image) -> Image.Image:
        """Return a view of the same size."""
        random = np.random.default_rng(int(torch.randint(2**62, ()).item()))
        if random.random() < self._turn:
            image = image.rotate(90 * int(random.integers(1, 4)))
        if random.random() < self._zoom_out:
            image = zoom_out(image, random)
        if random.random() < self._degrade:
            count = 2 if random.random() < SECOND_DEGRADATION else 1
            for index in random.choice(len(DEGRADATIONS), count, replace=False, p=SHARES):
                image = DEGRADATIONS[index](image, random)
        return image


def zoom_out(image: Image.Image, random: np.random.Generator) -> Image.Image:
    """Return the image, made smaller, at a random place of a frame of the same size with a plain background."""
    side = image.width
    small = max(8, round(side / random.uniform(1.1, LARGEST_FRAME)))
    frame = BACKGROUNDS[random.integers(len(BACKGROUNDS))](image, random)
    left, top = (int(random.uniform(-CUT_OFF * small, side - (1 - CUT_OFF) * small)) for _ in range(2))
    frame.paste(image.resize((small, small), Image.Resampling.BICUBIC, reducing_gap=3.0), (left, top))
    return frame


def _blurred_enlargement(image: Image.Image, random: np.random.Generator) -> Image.Image:
    # A small copy is blurred, which is faster than to blur the whole frame and looks the same.
    small = image.resize((32, 32), Image.Resampling.BOX).filter(ImageFilter.GaussianBlur(random.uniform(0.5, 5)))
    return small.resize(image.size, Image.Resampling.BICUBIC)


def _patches_of_its_colours(image: Image.Image, random: np.random.Generator) -> Image.Image:
    pixels = np.asarray(image).reshape(-1, 3)
    patches = int(random.integers(1, 9))
    colours = pixels[random.integers(len(pixels), size=patches * patches)].reshape(patches, patches, 3)
    return Image.fromarray(colours).resize(image.size, Image.Resampling.BICUBIC)


def _any_colour(image: Image.Image, random: np.random.Generator) -> Image.Image:
    red, green, blue = (int(value) for value in random.integers(256, size=3))
    return Image.new("RGB", image.size, (red, green, blue))


def _blur(image: Image.Image, random: np.random.Generator) -> Image.Image:
    return image.filter(ImageFilter.GaussianBlur(image.width * random.uniform(0.003, 0.025)))


def _noise(image: Image.Image, random: np.random.Generator) -> Image.Image:
    pixels = np.asarray(image, np.float32)
    noise = random.standard_normal(pixels.shape, np.float32) * random.uniform(5, 50)
    return Image.fromarray((pixels + noise).clip(0, 255).astype(np.uint8))


def _grey(image: Image.Image, random: np.random.Generator) -> Image.Image:
    return image.convert("L").convert("RGB")


def _compress(image: Image.Image, random: np.random.Generator) -> Image.Image:
    file = BytesIO()
    image.save(file, "JPEG", quality=int(random.integers(5, 50)))
    return Image.open(file).convert("RGB")


def _thumbnail(image: Image.Image, random: np.random.Generator) -> Image.Image:
    side = int(random.integers(40, 120))
    return image.resize((side, side), Image.Resampling.BICUBIC).resize(image.size, Image.Resampling.BICUBIC)


Change = Callable[[Image.Image, np.random.Generator], Image.Image]
BACKGROUNDS: tuple[Change, ...] = (_blurred_enlargement, _patches_of_its_colours, _any_colour)
DEGRADATIONS: tuple[Change, ...] = (_grey, _blur, _noise, _compress, _thumbnail)
SHARES = (2 / 6, 1 / 6, 1 / 6, 1 / 6, 1 / 6)
"""Probability of each degradation. Grey is the one that costs most accuracy: many species differ in colour only."""
