"""``python -m benchmarks mobile``: the bundle for phones against the model file it is made from, in the runtime."""

import argparse
import json
import shlex
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmarks.core.intervals import wilson
from benchmarks.core.machine import describe_machine
from benchmarks.core.rendering import render
from benchmarks.core.timing import interleaved, percentiles, speedup
from export.mobile.bundle import MobileBundle, build_mobile_bundle
from export.mobile.bundle_check import BundleModel
from finetune.data.dataset import SPLITS, read_split
from runtime.classifier import FlowerClassifier
from runtime.command_line.arguments import positive_int
from runtime.command_line.program import run_command
from runtime.files.atomic import write_text
from runtime.files.digest import file_digest
from runtime.inference.cpu_threads import default_threads
from runtime.inference.model_file import DEFAULT_MODEL
from runtime.inference.session import Session

EXAMPLES = """\
examples:
  python -m benchmarks mobile --data data
  python -m benchmarks mobile --data data --limit 50 --rounds 5     a quick look

Leave the machine to itself. The bundle is built, checked and measured in a temporary folder. Writes mobile.md and
mobile.json to --report.
"""
PHOTOS = {"a photo of 700 × 500": (500, 700), "a photo of 4000 × 3000": (3000, 4000)}
"""Title → height and width: Oxford's photographs, and a phone's with 12 megapixels."""


def build_parser() -> argparse.ArgumentParser:
    """The options of ``python -m benchmarks mobile``."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks mobile",
        description="Measure the mobile bundle: its size, whether it answers as flower-infer does, and its speed here.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--model", type=Path, default=DEFAULT_MODEL, metavar="FILE", help="(default: the model inside)")
    parser.add_argument("--data", type=Path, default=Path("data"), metavar="DIR", help="the data set (default: data)")
    parser.add_argument("--split", choices=SPLITS, default="test", help="(default: test)")
    parser.add_argument("--limit", type=positive_int, metavar="N", help="photographs of it (default: all)")
    parser.add_argument("--rounds", type=positive_int, default=100, metavar="N", help="(default: %(default)s)")
    parser.add_argument("--threads", type=positive_int, default=default_threads(), metavar="N", help="CPU threads")
    parser.add_argument("--report", type=Path, default=Path("runs/report"), metavar="DIR", help="the report's folder")
    return parser


def main(arguments: Sequence[str]) -> int:
    """Run ``python -m benchmarks mobile`` and return its exit status."""
    options = build_parser().parse_args(arguments)
    return run_command("benchmarks", lambda: _measure(options), interrupted="nothing was written")


def _measure(options: argparse.Namespace) -> None:
    split = read_split(options.data, options.split).head(options.limit)
    with tempfile.TemporaryDirectory() as folder:
        bundle = build_mobile_bundle(options.model, Path(folder, "bundle"), split)
        latency = _latency(options.model, bundle, options.threads, options.rounds)
    figures: dict[str, Any] = {
        "command": shlex.join(["python", "-m", "benchmarks", *sys.argv[1:]]),
        "machine": describe_machine(),
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
    write_text(options.report / "mobile.json", json.dumps(figures, indent=1) + "\n")
    write_text(options.report / "mobile.md", render("mobile.md.jinja", **figures))
    print(options.report / "mobile.md")


def _latency(path: Path, bundle: MobileBundle, threads: int, rounds: int) -> list[dict[str, Any]]:
    """Of each kind of picture: the runtime with the model file, then the bundle; each row against the runtime's."""
    names = list(bundle.checks)
    any_size, fixed = (BundleModel(bundle.folder / name, threads) for name in names)
    classifier = FlowerClassifier(path, device="cpu", threads=threads)
    network = Session(path, device="cpu", threads=threads)
    size = classifier.info.preprocessing.size
    square = _picture(size, size)[np.newaxis]
    title = f"{size} × {size}, as the network takes it"
    runtime = f"runtime, {path.name}"
    contestants: dict[tuple[str, str], Callable[[], object]] = {
        (title, runtime): lambda: network.logits(square),
        (title, names[1]): lambda: fixed(square),
    }
    for title, shape in PHOTOS.items():
        photo = _picture(*shape)
        contestants[title, runtime] = lambda photo=photo: classifier.predict(photo)  # type: ignore[misc]
        contestants[title, names[0]] = lambda photo=photo: any_size(photo)  # type: ignore[misc]
    lines = {" | ".join(key): run for key, run in contestants.items()}
    seconds = dict(zip(contestants, interleaved(lines, rounds, "latency").values(), strict=True))
    return [
        {"picture": title, "who": who, **percentiles(times), "ratio": speedup(times, seconds[title, runtime])}
        for (title, who), times in seconds.items()
    ]


def _picture(height: int, width: int) -> np.ndarray:
    """Clouds: uint8, shape (height, width, 3)."""
    coarse = np.random.default_rng(0).integers(0, 256, (height // 40 + 2, width // 40 + 2, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC))
