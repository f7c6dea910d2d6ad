"""The page's icon, a flower with five petals: SVG for browsers and PNG for the home screens of phones."""

import io
import math

from PIL import Image, ImageDraw

BACKGROUND, PETAL, CENTRE = "#24523f", "#f3c6d3", "#e0a526"
PETALS = 5
REACH, PETAL_RADIUS, CENTRE_RADIUS, CORNER_RADIUS = 22, 17, 10, 22
"""Distance of the petals from the middle, and radii; in percent of the icon's side."""
SUPERSAMPLING = 4
PNG_SIZES = {"icon-192.png": 192, "icon-512.png": 512, "apple-touch-icon.png": 180}
MASKABLE_SIZES = {"icon-maskable-512.png": 512}
"""Android cuts these icons to a shape of its own and keeps the middle 80 % (W3C, "Web Application Manifest")."""
MASKABLE_SCALE = 0.82


def icon_files() -> dict[str, bytes]:
    """Return all icons, file name → content."""
    return {
        "icon.svg": draw_svg().encode(),
        **{name: draw_png(size) for name, size in PNG_SIZES.items()},
        **{name: draw_png(size, maskable=True) for name, size in MASKABLE_SIZES.items()},
    }


def draw_svg() -> str:
    """Return the icon as SVG, on a square with rounded corners."""
    petals = "".join(
        f'<circle cx="{x:.2f}" cy="{y:.2f}" r="{radius:.2f}"/>'
        for x, y, radius in _petals(100, reach=REACH, radius=PETAL_RADIUS)
    )
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 100 100">'
        f'<rect width="100" height="100" rx="{CORNER_RADIUS}" fill="{BACKGROUND}"/><g fill="{PETAL}">{petals}</g>'
        f'<circle cx="50" cy="50" r="{CENTRE_RADIUS}" fill="{CENTRE}"/></svg>\n'
    )


def draw_png(size: int, *, maskable: bool = False) -> bytes:
    """Return the icon as PNG.

    Args:
        size: side in pixels.
        maskable: fill the whole square, without rounded corners, and draw the flower smaller.
    """
    side = size * SUPERSAMPLING
    unit = side / 100 * (MASKABLE_SCALE if maskable else 1)
    image = Image.new("RGBA", (side, side))
    draw = ImageDraw.Draw(image)
    corner_radius = 0 if maskable else CORNER_RADIUS / 100 * side
    draw.rounded_rectangle((0, 0, side - 1, side - 1), corner_radius, BACKGROUND)
    for x, y, radius in _petals(side, reach=REACH * unit, radius=PETAL_RADIUS * unit):
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), PETAL)
    radius = CENTRE_RADIUS * unit
    draw.ellipse((side / 2 - radius, side / 2 - radius, side / 2 + radius, side / 2 + radius), CENTRE)
    file = io.BytesIO()
    image.resize((size, size), Image.Resampling.LANCZOS).save(file, "PNG", optimize=True)
    return file.getvalue()


def _petals(side: float, *, reach: float, radius: float) -> list[tuple[float, float, float]]:
    """Centre and radius of each petal; the first one is straight up."""
    angles = [2 * math.pi * index / PETALS - math.pi / 2 for index in range(PETALS)]
    return [(side / 2 + reach * math.cos(angle), side / 2 + reach * math.sin(angle), radius) for angle in angles]
