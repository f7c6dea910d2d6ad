"""The page of the web bundle in Chromium: time until the model is ready, time and answers of photos, screenshots."""

import io
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image
from tqdm import tqdm

from benchmarks.core.timing import rotating_rounds
from benchmarks.environments.browser import DESKTOP, PHONE, FlowerPage, new_context
from export.web.bundle import WebBundle
from export.web.server import BundleServer
from runtime.classifier import FlowerClassifier
from runtime.inference.cpu_threads import default_threads

if TYPE_CHECKING:
    from playwright.sync_api import Browser

SCREENSHOT_COLOURS = 255
"""Size of a screenshot's palette. It more than halves the file, and the difference is hardly visible."""


@dataclass(frozen=True)
class Contestant:
    """The results of one way to classify photos."""

    name: str
    threads: int
    seconds: np.ndarray
    """From the file to the answer, shape (photos,)."""
    labels: tuple[str, ...]
    """The first answer for each photo."""


def measure_loads(browser: "Browser", bundle: WebBundle, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Measure the seconds until the model is ready, with ``count`` new browser profiles.

    Returns:
        Seconds of the first visits and of the second visits, which load from the browser's cache; shape (count,) each.
    """
    first, second = np.zeros(count), np.zeros(count)
    for index in tqdm(range(count), desc="loads", unit="visit", disable=None):
        context = new_context(browser)
        with _serve(bundle) as address:
            page = FlowerPage(context)
            page.open(address)
            first[index] = page.ready_milliseconds / 1000
            page.wait_until_offline()
            page.page.reload()
            page.wait_until_ready()
            second[index] = page.ready_milliseconds / 1000
        context.close()
    return first, second


def classify_everywhere(browser: "Browser", bundle: WebBundle, model: Path, photos: Sequence[Path]) -> list[Contestant]:
    """Classify photos in Python and in the page, interleaved.

    Python runs with all threads and with one; the page runs with cross-origin isolation, which allows threads, and
    without it.

    Returns:
        The results, Python with all threads first.
    """
    with ExitStack() as stack:
        pages = {}
        for name, isolated in (("page, not isolated", False), ("page, cross-origin isolated", True)):
            page = FlowerPage(stack.enter_context(new_context(browser)))
            page.open(stack.enter_context(_serve(bundle, isolated=isolated)))
            page.classify(photos[0])
            pages[name] = page
        counts = {"Python": default_threads(), "Python, one thread": 1}
        python = {name: FlowerClassifier(model, device="cpu", threads=count) for name, count in counts.items()}
        for classifier in python.values():
            classifier.predict(photos[0])
        calls: dict[str, Callable[[Path], tuple[str, float]]] = {
            **{name: partial(_classify_in_python, classifier) for name, classifier in python.items()},
            **{name: partial(_classify_in_page, page) for name, page in pages.items()},
        }
        threads = {**counts, **{name: page.threads for name, page in pages.items()}}
        answers: dict[str, list[tuple[str, float]]] = {name: [] for name in calls}
        order = rotating_rounds(list(calls), len(photos))
        for index, names in tqdm(order, total=len(photos), desc="photographs", unit="img", disable=None):
            for name in names:
                answers[name].append(calls[name](photos[index]))
    return [
        Contestant(name, threads[name], np.array([s for _, s in results]), tuple(label for label, _ in results))
        for name, results in answers.items()
    ]


def take_screenshots(browser: "Browser", bundle: WebBundle, photo: Path) -> dict[str, bytes]:
    """Take pictures of the page with its answer to ``photo``, on a phone and a desktop, light and dark.

    Returns:
        File name → PNG. ``web.png`` has both phone pictures side by side.
    """
    pictures = {}
    for device, viewport in (("phone", PHONE), ("desktop", DESKTOP)):
        for scheme in ("light", "dark"):
            context = new_context(browser, viewport, dark=scheme == "dark")
            with _serve(bundle) as address:
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
    compressed = {name: _compress(Image.open(io.BytesIO(png))) for name, png in pictures.items()}
    return compressed | {"web.png": _compress(pair)}


@contextmanager
def _serve(bundle: WebBundle, *, isolated: bool = True) -> Iterator[str]:
    """Serve the bundle on this computer and yield its address."""
    with BundleServer(bundle.folder, 0, isolated=isolated) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield server.address
        finally:
            server.shutdown()


def _classify_in_python(classifier: FlowerClassifier, photo: Path) -> tuple[str, float]:
    """Return the first answer and the seconds."""
    started = time.perf_counter()
    label = classifier.predict(photo).best.label
    return label, time.perf_counter() - started


def _classify_in_page(page: FlowerPage, photo: Path) -> tuple[str, float]:
    """Return the first answer and the seconds that the page's worker measured."""
    answer = page.classify(photo)
    return answer.labels[0], answer.milliseconds / 1000


def _compress(image: Image.Image) -> bytes:
    """Return a picture as a PNG with a palette."""
    file = io.BytesIO()
    image = image.convert("RGB")
    palette = image.quantize(SCREENSHOT_COLOURS, Image.Quantize.MEDIANCUT)
    # Pillow dithers only if it is given a palette. Without dithering, dark parts of the photo become visible areas.
    image.quantize(palette=palette).save(file, "PNG", optimize=True)
    return file.getvalue()
