"""The mobile bundle against its model file in the runtime: size, agreement and speed."""

import argparse
import tempfile
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmarks.core.arguments import add_limit_argument, add_rounds_argument, add_split_argument
from benchmarks.core.harness import Figures, Run, Suite
from benchmarks.core.intervals import wilson
from benchmarks.core.timing import interleaved, percentiles, speedup
from export.mobile.bundle import MobileBundle, build_mobile_bundle
from export.mobile.bundle_check import BundleModel
from finetune.data.dataset import read_split
from runtime.classifier import FlowerClassifier
from runtime.command_line.arguments import add_data_argument, add_model_argument, add_threads_argument
from runtime.files.digest import file_digest
from runtime.inference.session import Session
from runtime.inference.shipped_models import SMALL_MODEL

EXAMPLES = """\
examples:
  {command} --data data
  {command} --data data --limit 50 --rounds 5     a quick look

Run nothing else on the machine meanwhile. The bundle is built, checked and measured in a temporary folder.
"""
PHOTOS = {"a photo of 700 × 500": (500, 700), "a photo of 4000 × 3000": (3000, 4000)}
"""Title → height and width: the size of Oxford's photographs, and that of a phone's photo with 12 megapixels."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this suite."""
    add_model_argument(parser, SMALL_MODEL)
    add_data_argument(parser)
    add_split_argument(parser)
    add_limit_argument(parser)
    add_rounds_argument(parser, 100)
    add_threads_argument(parser)


def measure(run: Run) -> Figures:
    """Build the bundle, compare its answers with those of flower-infer, and time both."""
    options = run.options
    split = read_split(options.data, options.split).head(options.limit)
    with tempfile.TemporaryDirectory() as folder:
        bundle = build_mobile_bundle(options.model, Path(folder, "bundle"), split)
        latency = _measure_latency(options.model, bundle, options.threads, options.rounds)
    return {
        "model": {
            "file": options.model.name,
            "sha256": file_digest(options.model),
            "bytes": options.model.stat().st_size,
        },
        "threads": options.threads,
        "rounds": options.rounds,
        "split": {"name": split.name, "images": len(split), "description": split.describe()},
        "files": [{"file": name, "bytes": size} for name, size in bundle.sizes.items()],
        "checks": [
            {"file": name, **asdict(check), "interval": wilson(round(check.agreement * check.images), check.images)}
            for name, check in bundle.checks.items()
        ],
        "latency": latency,
    }


def _measure_latency(path: Path, bundle: MobileBundle, threads: int, rounds: int) -> list[dict[str, Any]]:
    """Time the runtime with the model file and the bundle on each picture; ratios are relative to the runtime."""
    names = list(bundle.checks)
    any_size, fixed_size = (BundleModel(bundle.folder / name, threads) for name in names)
    classifier = FlowerClassifier(path, device="cpu", threads=threads)
    network = Session(path, device="cpu", threads=threads)
    size = classifier.info.preprocessing.size
    square = _draw_clouds(size, size)[np.newaxis]
    title = f"{size} × {size}, the network's input"
    reference = f"runtime, {path.name}"
    contestants: dict[tuple[str, str], Callable[[], object]] = {
        (title, reference): lambda: network.logits(square),
        (title, names[1]): lambda: fixed_size(square),
    }
    for title, shape in PHOTOS.items():
        photo = _draw_clouds(*shape)
        contestants[title, reference] = lambda photo=photo: classifier.predict(photo)  # type: ignore[misc]
        contestants[title, names[0]] = lambda photo=photo: any_size(photo)  # type: ignore[misc]
    calls = {" | ".join(key): call for key, call in contestants.items()}
    seconds = dict(zip(contestants, interleaved(calls, rounds, "latency").values(), strict=True))
    return [
        {
            "picture": title,
            "contestant": name,
            **percentiles(times),
            "ratio": speedup(times, seconds[title, reference]),
        }
        for (title, name), times in seconds.items()
    ]


def _draw_clouds(height: int, width: int) -> np.ndarray:
    """Return a smooth random picture, uint8, shape (height, width, 3); always the same."""
    coarse = np.random.default_rng(0).integers(0, 256, (height // 40 + 2, width // 40 + 2, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC))


SUITE = Suite(
    description="Measure the mobile bundle: its size, its agreement with flower-infer, and its speed on this machine.",
    examples=EXAMPLES,
    add_arguments=add_arguments,
    measure=measure,
)
