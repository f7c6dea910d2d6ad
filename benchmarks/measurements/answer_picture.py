"""A photo beside the answer of ``flower-infer``: the picture in the README.

python -m benchmarks.measurements.answer_picture flower.jpg --output benchmarks/answer.png
"""

import argparse
import contextlib
import io
import sys
from pathlib import Path

import matplotlib
from PIL import Image, ImageDraw, ImageFont

from runtime.command_line.flower_infer import main as flower_infer
from runtime.command_line.program import run_command
from runtime.errors import FlowerError
from runtime.files.atomic import atomic_file
from runtime.photos.open_photo import open_photo

HEIGHT, MARGIN, TEXT = 360, 24, 18
BACKGROUND, FOREGROUND, PROMPT = "#16181d", "#e6e8eb", "#7fc98f"


def draw_answer(photo: Path, model: str | None) -> Image.Image:
    """Run ``flower-infer`` on ``photo`` and draw the photo with the command and what it printed."""
    picture = open_photo(photo)
    picture = picture.resize((round(picture.width * HEIGHT / picture.height), HEIGHT), Image.Resampling.LANCZOS)
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        status = flower_infer([*(["--model", model] if model else []), str(photo)])
    if status:
        raise FlowerError(f"flower-infer ended with status {status}")
    answer = printed.getvalue().replace(str(photo), photo.name).splitlines()
    lines = [(f"$ flower-infer {photo.name}", PROMPT), *((line, FOREGROUND) for line in answer)]
    # matplotlib brings DejaVu, which has the block characters that not every system's font has.
    font = ImageFont.truetype(str(Path(matplotlib.get_data_path(), "fonts/ttf/DejaVuSansMono.ttf")), TEXT)
    width = max(round(font.getlength(line)) for line, _ in lines)
    canvas = Image.new("RGB", (picture.width + width + 2 * MARGIN, HEIGHT), BACKGROUND)
    canvas.paste(picture, (0, 0))
    draw = ImageDraw.Draw(canvas)
    step = TEXT * 1.7
    top = (HEIGHT - step * len(lines)) / 2
    for row, (line, colour) in enumerate(lines):
        draw.text((picture.width + MARGIN, top + row * step), line, font=font, fill=colour)
    return canvas


def main() -> int:
    """Run ``python -m benchmarks.measurements.answer_picture`` and return its exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.measurements.answer_picture", description="A photo beside its answer."
    )
    parser.add_argument("photo", type=Path)
    parser.add_argument("--model", metavar="FILE", help="(default: the model inside)")
    parser.add_argument("--output", type=Path, default=Path("answer.png"), metavar="FILE", help="(default: answer.png)")
    options = parser.parse_args()

    def draw() -> None:
        with atomic_file(options.output) as temporary:
            draw_answer(options.photo, options.model).save(temporary, format="PNG", optimize=True)

    return run_command("benchmarks.measurements.answer_picture", draw, interrupted="nothing was written")


if __name__ == "__main__":
    sys.exit(main())
