"""The web bundle in Chromium against Python: time, answers, loading and size."""

import argparse
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from benchmarks.core.arguments import add_photos_argument, add_split_argument, evenly_spaced
from benchmarks.core.harness import Figures, Run, Suite
from benchmarks.core.intervals import wilson
from benchmarks.core.timing import percentiles
from benchmarks.environments.browser import chromium
from benchmarks.measurements.web_page import Contestant, classify_everywhere, measure_loads, take_screenshots
from export.web import onnxruntime_web
from export.web.bundle import build_web_bundle
from finetune.data.dataset import read_split
from runtime.command_line.arguments import add_data_argument, add_model_argument, positive_int
from runtime.errors import FlowerError
from runtime.inference.shipped_models import SMALL_MODEL

EXAMPLES = """\
examples:
  {command} --data data                  100 test photographs, the model inside
  {command} --data data --photos 10 --loads 2

Needs Debian's packages chromium and npm, and pip install 'flower-edge[browser]'. Run nothing else on the machine
meanwhile. Writes screenshots, too. They show --photo and none of the data set's photographs, whose licence is unknown.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this suite."""
    add_model_argument(parser, SMALL_MODEL)
    add_data_argument(parser)
    add_split_argument(parser)
    add_photos_argument(parser, 100)
    parser.add_argument(
        "--loads",
        type=positive_int,
        default=10,
        metavar="N",
        help="first and repeated visits of the page (default: %(default)s)",
    )
    parser.add_argument(
        "--photo", type=Path, metavar="FILE", help="photo on the screenshots (default: the flower in scikit-learn)"
    )
    parser.add_argument(
        "--onnxruntime-web", type=Path, metavar="FILE", help="the archive of the npm package (default: run npm once)"
    )


def measure(run: Run) -> Figures:
    """Build the bundle, load its page, and classify photographs in Python and in the page.

    Raises:
        FlowerError: the browser, npm or the photo for the screenshots is missing, or the page shows an error.
    """
    options = run.options
    screenshot_photo = options.photo or _find_sklearn_flower()
    split = read_split(options.data, options.split)
    photos = evenly_spaced(split.paths, options.photos)
    with tempfile.TemporaryDirectory() as temporary, chromium() as browser:
        bundle = build_web_bundle(options.model, Path(temporary, "site"), archive=options.onnxruntime_web)
        first, second = measure_loads(browser, bundle, options.loads)
        python, *pages = classify_everywhere(browser, bundle, options.model, photos)
        screenshots = take_screenshots(browser, bundle, screenshot_photo)
        version = browser.version
    for name, content in screenshots.items():
        run.attach(name, content)
    return {
        "chromium": version,
        "onnxruntime_web": onnxruntime_web.VERSION,
        "model": options.model.name,
        "sizes": dict(sorted(bundle.sizes.items(), key=lambda item: -item[1])),
        "bytes": sum(bundle.sizes.values()),
        "loads": {"count": options.loads, "first": percentiles(first), "again": percentiles(second)},
        "photos": len(photos),
        "split": split.describe(),
        "contestants": [_row(contestant, python) for contestant in (python, *pages)],
        "screenshots": sorted(screenshots),
    }


def _row(contestant: Contestant, python: Contestant) -> dict[str, Any]:
    same = sum(label == expected for label, expected in zip(contestant.labels, python.labels, strict=True))
    return {
        "name": contestant.name,
        "threads": contestant.threads,
        **percentiles(contestant.seconds),
        "same_top1": same,
        "same_top1_interval": wilson(same, len(python.labels)),
    }


def _find_sklearn_flower() -> Path:
    """Return a photograph that may be published: CC BY 2.0, in scikit-learn's package."""
    package = find_spec("sklearn")
    if package is None or package.origin is None:
        raise FlowerError(
            "there is no photo for the screenshots; run: pip install --no-deps scikit-learn, or give one with --photo"
        )
    return Path(package.origin).parent / "datasets" / "images" / "flower.jpg"


SUITE = Suite(
    description="Measure the web bundle in Chromium, against Python on the same machine.",
    examples=EXAMPLES,
    add_arguments=add_arguments,
    measure=measure,
)
