"""``python -m benchmarks web``: the web bundle in Chromium against Python: size, loading, time, answers."""

import argparse
import io
import json
import shlex
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image
from tqdm import tqdm

from benchmarks.core.intervals import wilson
from benchmarks.core.machine import describe_machine
from benchmarks.core.rendering import render
from benchmarks.core.timing import percentiles
from benchmarks.environments.browser import DESKTOP, PHONE, FlowerPage, chromium, new_context
from export.web import onnxruntime_web
from export.web.bundle import WebBundle, build_web_bundle
from export.web.server import BundleServer
from finetune.data.dataset import SPLITS, read_split
from runtime.classifier import FlowerClassifier
from runtime.command_line.arguments import positive_int
from runtime.command_line.program import run_command
from runtime.errors import FlowerError
from runtime.files.atomic import write_bytes, write_text
from runtime.inference.cpu_threads import default_threads
from runtime.inference.model_file import DEFAULT_MODEL

if TYPE_CHECKING:
    from playwright.sync_api import Browser

EXAMPLES = """\
examples:
  python -m benchmarks web --data data                  100 test photographs, the model inside
  python -m benchmarks web --data data --photos 10 --loads 2

Needs Debian's chromium and npm, and pip install 'flower-edge[browser]'. Leave the machine to itself. Writes web.md,
web.json and screenshots to --report; they show --photo, and never one of the data set's.
"""
COLOURS_ON_SCREEN = 255
"""Of a screenshot's palette: less than half the size, and hardly to be seen."""


@dataclass(frozen=True)
class Contestant:
    """One way to have photographs named."""

    name: str
    threads: int
    seconds: np.ndarray
    """From the file to the answer, shape (photos,)."""
    labels: tuple[str, ...]


def build_parser() -> argparse.ArgumentParser:
    """The options of ``python -m benchmarks web``."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks web",
        description="Measure the web bundle in Chromium, against Python on the same machine.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--model", type=Path, default=DEFAULT_MODEL, metavar="FILE", help="(default: the model inside)")
    parser.add_argument("--data", type=Path, default=Path("data"), metavar="DIR", help="the data set (default: data)")
    parser.add_argument("--split", choices=SPLITS, default="test", help="(default: test)")
    parser.add_argument(
        "--photos", type=positive_int, default=100, metavar="N", help="photographs of it (default: 100)"
    )
    parser.add_argument("--loads", type=positive_int, default=10, metavar="N", help="first and repeated (default: 10)")
    parser.add_argument(
        "--photo", type=Path, metavar="FILE", help="on the screenshots (default: scikit-learn's flower)"
    )
    parser.add_argument("--onnxruntime-web", type=Path, metavar="FILE", help="its archive (default: run npm once)")
    parser.add_argument("--report", type=Path, default=Path("runs/report"), metavar="DIR", help="the report's folder")
    return parser


def main(arguments: Sequence[str]) -> int:
    """Run ``python -m benchmarks web`` and return its exit status."""
    options = build_parser().parse_args(arguments)
    return run_command("benchmarks", lambda: _measure(options), interrupted="nothing was written")


def _measure(options: argparse.Namespace) -> None:
    shown = options.photo or _free_photo()
    split = read_split(options.data, options.split)
    photos = split.paths[:: max(1, len(split) // options.photos)][: options.photos]
    with tempfile.TemporaryDirectory() as temporary, chromium() as browser:
        bundle = build_web_bundle(options.model, Path(temporary, "site"), archive=options.onnxruntime_web)
        first, again = _loads(browser, bundle, options.loads)
        python, *browsers = _name_photos(browser, bundle, options.model, photos)
        pictures = screenshots(browser, bundle, shown)
        version = browser.version
    figures: dict[str, Any] = {
        "command": shlex.join(["python", "-m", "benchmarks", *sys.argv[1:]]),
        "machine": describe_machine(),
        "chromium": version,
        "onnxruntime_web": onnxruntime_web.VERSION,
        "model": options.model.name,
        "sizes": dict(sorted(bundle.sizes.items(), key=lambda item: -item[1])),
        "bytes": sum(bundle.sizes.values()),
        "loads": {"count": options.loads, "first": percentiles(first), "again": percentiles(again)},
        "photos": len(photos),
        "split": split.describe(),
        "contestants": [_row(contestant, python) for contestant in (python, *browsers)],
        "screenshots": sorted(pictures),
    }
    for name, content in pictures.items():
        write_bytes(options.report / name, content)
    write_text(options.report / "web.json", json.dumps(figures, indent=1) + "\n")
    write_text(options.report / "web.md", render("web.md.jinja", **figures))
    print(options.report / "web.md")


def _row(contestant: Contestant, python: Contestant) -> dict[str, Any]:
    same = sum(one == other for one, other in zip(contestant.labels, python.labels, strict=True))
    return {
        "name": contestant.name,
        "threads": contestant.threads,
        **percentiles(contestant.seconds),
        "same_top1": same,
        "same_top1_interval": wilson(same, len(python.labels)),
    }


@contextmanager
def _served(bundle: WebBundle, *, isolated: bool = True) -> Iterator[str]:
    with BundleServer(bundle.folder, 0, isolated=isolated) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield server.address
        finally:
            server.shutdown()


def _loads(browser: "Browser", bundle: WebBundle, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Seconds until the model is ready, of visits of browsers that have never seen the page, and of their next ones."""
    first, again = np.zeros(count), np.zeros(count)
    for index in tqdm(range(count), desc="loads", unit="visit", disable=None):
        context = new_context(browser)
        with _served(bundle) as address:
            page = FlowerPage(context)
            page.open(address)
            first[index] = page.ready_milliseconds / 1000
            page.wait_until_offline()
            page.page.reload()
            page.wait_until_ready()
            again[index] = page.ready_milliseconds / 1000
        context.close()
    return first, again


def _name_photos(browser: "Browser", bundle: WebBundle, model: Path, photos: Sequence[Path]) -> list[Contestant]:
    """Python with as many threads as the browser has, and the page with and without; they take turns on each photo."""
    with ExitStack() as stack:
        pages = {}
        for name, isolated in (("page, not isolated", False), ("page, cross-origin isolated", True)):
            page = FlowerPage(stack.enter_context(new_context(browser)))
            page.open(stack.enter_context(_served(bundle, isolated=isolated)))
            page.classify(photos[0])
            pages[name] = page
        counts = {"Python": default_threads(), "Python, one thread": 1}
        python = {name: FlowerClassifier(model, device="cpu", threads=count) for name, count in counts.items()}
        for classifier in python.values():
            classifier.predict(photos[0])
        ways: dict[str, Callable[[Path], tuple[str, float]]] = {
            **{name: partial(_in_python, classifier) for name, classifier in python.items()},
            **{name: partial(_in_browser, page) for name, page in pages.items()},
        }
        threads = {**counts, **{name: page.threads for name, page in pages.items()}}
        answers = _take_turns(ways, photos)
    return [
        Contestant(name, threads[name], np.array([s for _, s in found]), tuple(label for label, _ in found))
        for name, found in answers.items()
    ]


def _take_turns(
    ways: Mapping[str, Callable[[Path], tuple[str, float]]], photos: Sequence[Path]
) -> dict[str, list[tuple[str, float]]]:
    names = list(ways)
    found: dict[str, list[tuple[str, float]]] = {name: [] for name in names}
    for index, photo in enumerate(tqdm(photos, desc="photographs", unit="img", disable=None)):
        turn = index % len(names)
        for name in names[turn:] + names[:turn]:
            found[name].append(ways[name](photo))
    return found


def _in_python(classifier: FlowerClassifier, photo: Path) -> tuple[str, float]:
    started = time.perf_counter()
    label = classifier.predict(photo).best.label
    return label, time.perf_counter() - started


def _in_browser(page: FlowerPage, photo: Path) -> tuple[str, float]:
    shown = page.classify(photo)
    return shown.labels[0], shown.milliseconds / 1000


def screenshots(browser: "Browser", bundle: WebBundle, photo: Path) -> dict[str, bytes]:
    """The page with its answer to ``photo``, on a phone and a desktop, light and dark; file name → PNG.

    ``web.png`` is the phone twice, for the README.
    """
    pictures = {}
    for device, viewport in (("phone", PHONE), ("desktop", DESKTOP)):
        for scheme in ("light", "dark"):
            context = new_context(browser, viewport, dark=scheme == "dark")
            with _served(bundle) as address:
                page = FlowerPage(context)
                page.page.emulate_media(reduced_motion="reduce")
                page.open(address)
                page.wait_until_offline()
                page.classify(photo)
                pictures[f"web-{device}-{scheme}.png"] = page.page.screenshot()
            context.close()
    light, dark = (Image.open(io.BytesIO(pictures[f"web-phone-{scheme}.png"])) for scheme in ("light", "dark"))
    pair = Image.new("RGB", (light.width + dark.width, light.height))
    pair.paste(light, (0, 0))
    pair.paste(dark, (light.width, 0))
    return {name: _small(Image.open(io.BytesIO(png))) for name, png in pictures.items()} | {"web.png": _small(pair)}


def _small(image: Image.Image) -> bytes:
    file = io.BytesIO()
    image = image.convert("RGB")
    palette = image.quantize(COLOURS_ON_SCREEN, Image.Quantize.MEDIANCUT)
    # With a palette given, Pillow dithers: without, the photo's dark parts become islands.
    image.quantize(palette=palette).save(file, "PNG", optimize=True)
    return file.getvalue()


def _free_photo() -> Path:
    """A photograph that may be published: CC BY 2.0, in scikit-learn's package."""
    package = find_spec("sklearn")
    if package is None or package.origin is None:
        raise FlowerError("no photo for the screenshots: pip install --no-deps scikit-learn, or give one with --photo")
    return Path(package.origin).parent / "datasets" / "images" / "flower.jpg"
