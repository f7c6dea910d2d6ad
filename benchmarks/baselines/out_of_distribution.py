"""Out-of-distribution pictures: drawn pictures that show no flower.

They are a crude test of the threshold. Photographs of other things are harder; the suite ``runtime`` takes them with
``--out-of-distribution``.
"""

import numpy as np
from PIL import Image, ImageDraw

SIDE = 400
"""Pixels."""
PICTURES_PER_KIND = 8


def draw_out_of_distribution_pictures() -> list[Image.Image]:
    """Return plain colours, noise, gradients, stripes, text and boxes: `PICTURES_PER_KIND` of each, always the same."""
    random = np.random.default_rng(0)
    return [Image.fromarray(draw(random).astype(np.uint8)) for draw in _KINDS for _ in range(PICTURES_PER_KIND)]


def _random_colour(random: np.random.Generator) -> np.ndarray:
    return random.integers(0, 256, 3)


def _draw_plain(random: np.random.Generator) -> np.ndarray:
    return np.full((SIDE, SIDE, 3), _random_colour(random))


def _draw_noise(random: np.random.Generator) -> np.ndarray:
    grain = 2 ** int(random.integers(0, 6))
    coarse = random.integers(0, 256, (SIDE // grain + 1, SIDE // grain + 1, 3))
    return np.kron(coarse, np.ones((grain, grain, 1), int))[:SIDE, :SIDE]


def _draw_gradient(random: np.random.Generator) -> np.ndarray:
    position = np.linspace(0, 1, SIDE)[:, None, None]
    return _random_colour(random) * position + _random_colour(random) * (1 - position) * np.ones((SIDE, SIDE, 1))


def _draw_stripes(random: np.random.Generator) -> np.ndarray:
    width = int(random.integers(4, 60))
    mask = (np.arange(SIDE) // width % 2)[None, :, None] * np.ones((SIDE, 1, 1))
    return np.where(mask > 0, _random_colour(random), _random_colour(random))


def _draw_text(random: np.random.Generator) -> np.ndarray:
    page = Image.new("RGB", (SIDE, SIDE), "white")
    draw = ImageDraw.Draw(page)
    for line in range(12, SIDE - 20, 24):
        words = " ".join("".join(map(chr, random.integers(97, 123, random.integers(2, 9)))) for _ in range(9))
        draw.text((16, line), words, fill="black", font_size=18)
    return np.asarray(page)


def _draw_boxes(random: np.random.Generator) -> np.ndarray:
    page = Image.new("RGB", (SIDE, SIDE), tuple(_random_colour(random).tolist()))
    draw = ImageDraw.Draw(page)
    for _ in range(12):
        corners = np.sort(random.integers(0, SIDE, (2, 2)), axis=0)
        draw.rectangle(corners.ravel().tolist(), fill=tuple(_random_colour(random).tolist()))
    return np.asarray(page)


_KINDS = (_draw_plain, _draw_noise, _draw_gradient, _draw_stripes, _draw_text, _draw_boxes)
