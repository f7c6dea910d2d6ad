"""A sheet of small photographs with lines of text, as one JPEG."""

import io
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib
from PIL import Image, ImageDraw, ImageFont, ImageOps

from runtime.photos.open_photo import open_photo

COLUMNS = 6
SIDE = 180
"""Of a photograph, pixels."""
MARGIN, FONT_SIZE, LINE_HEIGHT = 10, 13, 17
"""Pixels."""
LETTERS = 26
"""Most letters in a line of text."""
BACKGROUND, FOREGROUND, FAINT = "#ffffff", "#16181d", "#5f6570"
QUALITY = 80
"""Of the JPEG."""


@dataclass(frozen=True)
class Thumbnail:
    """One photograph of the sheet."""

    path: Path
    heading: str
    """The first lines, in bold."""
    lines: tuple[str, ...]
    """The other lines. Each is cut to the width of the photograph."""


def draw_photo_sheet(thumbnails: Sequence[Thumbnail]) -> bytes:
    """Draw the photographs in rows of `COLUMNS`, each with its text below it. The centre square of each is shown.

    Raises:
        PhotoError: a photograph cannot be read.
    """
    # The fonts come with matplotlib. Many machines have no others.
    fonts = Path(matplotlib.get_data_path(), "fonts", "ttf")
    bold = ImageFont.truetype(str(fonts / "DejaVuSans-Bold.ttf"), FONT_SIZE)
    plain = ImageFont.truetype(str(fonts / "DejaVuSans.ttf"), FONT_SIZE)
    height = SIDE + LINE_HEIGHT * max((2 + len(each.lines) for each in thumbnails), default=0) + 2 * MARGIN
    rows = max(1, -(-len(thumbnails) // COLUMNS))
    width = MARGIN + (SIDE + MARGIN) * min(COLUMNS, max(1, len(thumbnails)))
    sheet = Image.new("RGB", (width, MARGIN + height * rows), BACKGROUND)
    draw = ImageDraw.Draw(sheet)
    for index, each in enumerate(thumbnails):
        left = MARGIN + (SIDE + MARGIN) * (index % COLUMNS)
        top = MARGIN + height * (index // COLUMNS)
        sheet.paste(ImageOps.fit(open_photo(each.path, min_side=SIDE), (SIDE, SIDE)), (left, top))
        top += SIDE + 4
        for line in textwrap.wrap(each.heading, LETTERS - 4, max_lines=2, placeholder=" …"):
            draw.text((left, top), line, font=bold, fill=FOREGROUND)
            top += LINE_HEIGHT
        for line in each.lines:
            draw.text((left, top), textwrap.shorten(line, LETTERS, placeholder=" …"), font=plain, fill=FAINT)
            top += LINE_HEIGHT
    file = io.BytesIO()
    sheet.save(file, "JPEG", quality=QUALITY, optimize=True)
    return file.getvalue()
