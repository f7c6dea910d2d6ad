"""A photo and the answer of ``flower-infer`` to it, as one picture. The README shows such a picture."""

import argparse
import contextlib
import io
from pathlib import Path

import matplotlib
from PIL import Image, ImageDraw, ImageFont

from runtime.command_line.arguments import add_model_argument
from runtime.command_line.flower_infer import main as flower_infer
from runtime.command_line.subcommands import Command
from runtime.distribution import module_command
from runtime.errors import FlowerError
from runtime.files.atomic import atomic_file
from runtime.inference.shipped_models import DEFAULT_MODEL
from runtime.photos.open_photo import open_photo

HEIGHT, MARGIN, FONT_SIZE = 360, 24, 18
"""Pixels."""
BACKGROUND, FOREGROUND, PROMPT = "#16181d", "#e6e8eb", "#7fc98f"


def draw_answer(photo: Path, model: Path = DEFAULT_MODEL) -> Image.Image:
    """Run ``flower-infer`` on ``photo`` and draw the photo, the command and what the command printed.

    Raises:
        FlowerError: flower-infer failed.
    """
    picture = open_photo(photo)
    picture = picture.resize((round(picture.width * HEIGHT / picture.height), HEIGHT), Image.Resampling.LANCZOS)
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        status = flower_infer([*(["--model", str(model)] if model != DEFAULT_MODEL else []), str(photo)])
    if status:
        raise FlowerError(f"flower-infer ended with status {status}; its message is above")
    answer = printed.getvalue().replace(str(photo), photo.name).splitlines()
    lines = [(f"$ flower-infer {photo.name}", PROMPT), *((line, FOREGROUND) for line in answer)]
    # The font comes with matplotlib. It has block characters, which many fonts lack.
    font = ImageFont.truetype(str(Path(matplotlib.get_data_path(), "fonts/ttf/DejaVuSansMono.ttf")), FONT_SIZE)
    width = max(round(font.getlength(line)) for line, _ in lines)
    canvas = Image.new("RGB", (picture.width + width + 2 * MARGIN, HEIGHT), BACKGROUND)
    canvas.paste(picture, (0, 0))
    draw = ImageDraw.Draw(canvas)
    line_height = FONT_SIZE * 1.7
    top = (HEIGHT - line_height * len(lines)) / 2
    for row, (line, colour) in enumerate(lines):
        draw.text((picture.width + MARGIN, top + row * line_height), line, font=font, fill=colour)
    return canvas


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("photo", type=Path, metavar="PHOTO")
    add_model_argument(parser, DEFAULT_MODEL)
    parser.add_argument(
        "--output", type=Path, default=Path("answer.png"), metavar="FILE", help="a PNG file (default: %(default)s)"
    )


def _run(options: argparse.Namespace) -> None:
    with atomic_file(options.output) as temporary:
        draw_answer(options.photo, options.model).save(temporary, format="PNG", optimize=True)
    print(options.output)


COMMAND = Command(
    description="Draw a photo and the answer of flower-infer to it.",
    examples=f"examples:\n  {module_command('benchmarks')} picture flower.jpg --output docs/images/answer.png\n",
    add_arguments=_add_arguments,
    run=_run,
)
