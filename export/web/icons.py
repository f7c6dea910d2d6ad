"""The icon, drawn: five petals, as SVG for the browser and as PNG for the home screens of phones."""

import io
import math

from PIL import Image, ImageDraw

GROUND, PETAL, HEART = "#24523f", "#f3c6d3", "#e0a526"
PETALS = 5
SUPERSAMPLING = 4
PNG_SIZES = {"icon-192.png": 192, "icon-512.png": 512, "apple-touch-icon.png": 180}
MASKABLE = {"icon-maskable-512.png": 512}
"""Android cuts these to a shape of its own; everything that matters is within the middle 80 %."""


def svg() -> str:
    """The icon as SVG, on a rounded square."""
    petals = "".join(
        f'<circle cx="{x:.2f}" cy="{y:.2f}" r="{radius:.2f}"/>' for x, y, radius in _petals(100, reach=22, radius=17)
    )
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 100 100">'
        f'<rect width="100" height="100" rx="22" fill="{GROUND}"/><g fill="{PETAL}">{petals}</g>'
        f'<circle cx="50" cy="50" r="10" fill="{HEART}"/></svg>\n'
    )


def png(size: int, *, maskable: bool = False) -> bytes:
    """The icon as PNG, ``size`` × ``size``; ``maskable``: to the edges, and the flower smaller."""
    side = size * SUPERSAMPLING
    unit = side / 100 * (0.82 if maskable else 1)
    image = Image.new("RGBA", (side, side))
    draw = ImageDraw.Draw(image)
    draw.rounded_rectangle((0, 0, side - 1, side - 1), 0 if maskable else 0.22 * side, GROUND)
    for x, y, radius in _petals(side, reach=22 * unit, radius=17 * unit):
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), PETAL)
    heart = 10 * unit
    draw.ellipse((side / 2 - heart, side / 2 - heart, side / 2 + heart, side / 2 + heart), HEART)
    file = io.BytesIO()
    image.resize((size, size), Image.Resampling.LANCZOS).save(file, "PNG", optimize=True)
    return file.getvalue()


def icons() -> dict[str, bytes]:
    """File name → content."""
    return {
        "icon.svg": svg().encode(),
        **{name: png(size) for name, size in PNG_SIZES.items()},
        **{name: png(size, maskable=True) for name, size in MASKABLE.items()},
    }


def _petals(side: float, *, reach: float, radius: float) -> list[tuple[float, float, float]]:
    """Centre and radius of each petal, the first straight up."""
    angles = [2 * math.pi * index / PETALS - math.pi / 2 for index in range(PETALS)]
    return [(side / 2 + reach * math.cos(angle), side / 2 + reach * math.sin(angle), radius) for angle in angles]
