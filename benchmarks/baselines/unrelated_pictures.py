"""Pictures that show no flower, drawn: what a classifier of flowers meets besides them, at its crudest."""

import numpy as np
from PIL import Image, ImageDraw

SIDE = 400
EACH = 8


def draw_unrelated_pictures() -> list[Image.Image]:
    """Noise, plain colours, slopes, stripes, text and boxes: `EACH` of every kind, always the same."""
    random = np.random.default_rng(0)
    return [Image.fromarray(kind(random).astype(np.uint8)) for kind in KINDS for _ in range(EACH)]


def _colour(random: np.random.Generator) -> np.ndarray:
    return random.integers(0, 256, 3)


def _plain(random: np.random.Generator) -> np.ndarray:
    return np.full((SIDE, SIDE, 3), _colour(random))


def _noise(random: np.random.Generator) -> np.ndarray:
    grain = 2 ** int(random.integers(0, 6))
    coarse = random.integers(0, 256, (SIDE // grain + 1, SIDE // grain + 1, 3))
    return np.kron(coarse, np.ones((grain, grain, 1), int))[:SIDE, :SIDE]


def _slope(random: np.random.Generator) -> np.ndarray:
    along = np.linspace(0, 1, SIDE)[:, None, None]
    return _colour(random) * along + _colour(random) * (1 - along) * np.ones((SIDE, SIDE, 1))


def _stripes(random: np.random.Generator) -> np.ndarray:
    width = int(random.integers(4, 60))
    mask = (np.arange(SIDE) // width % 2)[None, :, None] * np.ones((SIDE, 1, 1))
    return np.where(mask > 0, _colour(random), _colour(random))


def _text(random: np.random.Generator) -> np.ndarray:
    page = Image.new("RGB", (SIDE, SIDE), "white")
    draw = ImageDraw.Draw(page)
    for line in range(12, SIDE - 20, 24):
        words = " ".join("".join(map(chr, random.integers(97, 123, random.integers(2, 9)))) for _ in range(9))
        draw.text((16, line), words, fill="black", font_size=18)
    return np.asarray(page)


def _boxes(random: np.random.Generator) -> np.ndarray:
    page = Image.new("RGB", (SIDE, SIDE), tuple(_colour(random).tolist()))
    draw = ImageDraw.Draw(page)
    for _ in range(12):
        corners = np.sort(random.integers(0, SIDE, (2, 2)), axis=0)
        draw.rectangle(corners.ravel().tolist(), fill=tuple(_colour(random).tolist()))
    return np.asarray(page)


KINDS = (_plain, _noise, _slope, _stripes, _text, _boxes)
