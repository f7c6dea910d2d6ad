"""``python -m benchmarks training``: the recipes, ablations, resolutions and training speed, as a report."""

import argparse
import json
import shlex
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.optim.swa_utils import update_bn

from benchmarks.core.intervals import bootstrap_difference, bootstrap_mean_per_class, wilson
from benchmarks.core.machine import describe_machine
from benchmarks.core.rendering import render
from benchmarks.measurements.training_experiments import (
    ABLATION_EPOCHS,
    ABLATIONS,
    CLAIMED,
    FAST,
    REFERENCE,
    Experiment,
    run_experiment,
)
from benchmarks.measurements.training_speed import measure_training_speed
from export.graph.networks import TorchNetwork
from export.verification.evaluation import run_split
from finetune.accuracy import hits, mean_per_class
from finetune.data.dataset import read_split
from finetune.data.download import ensure_weights
from finetune.data.photo_batches import photo_batches
from finetune.data.split import Split
from finetune.network.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from finetune.network.tensor_files import load_untrusted
from finetune.recipe import RECIPES
from finetune.run.training_state import LAST
from finetune.training.history import LOG
from finetune.training.model_soup import average_checkpoints
from runtime.command_line.arguments import positive_int
from runtime.command_line.program import run_command
from runtime.files.atomic import write_text
from runtime.files.digest import file_digest
from runtime.photos.preprocessing import Preprocessing

EXAMPLES = """\
examples:
  python -m benchmarks training --data data --weights resnet50.pth
  python -m benchmarks training --data data --weights resnet50.pth --only seeds speed

The runs take hours on a CPU; the same command goes on where it was stopped, and parts that were measured before stay in
the report. Leave the machine to itself for the speed. Writes training.md and training.json to --report.
"""
PARTS = ("seeds", "fast", "ablation", "resolution", "speed")
BATCH = 32
TIMED_RECIPES = ("default", "fast")
RESOLUTIONS = tuple((size, crop_pct) for size in (176, 192, 208, 224, 240, 256) for crop_pct in (0.875, 1.0))


def build_parser() -> argparse.ArgumentParser:
    """The options of ``python -m benchmarks training``."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks training",
        description="Train the recipe over seeds and with one thing changed at a time; measure accuracy and speed.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--data", type=Path, default=Path("data"), metavar="DIR", help="the data set (default: data)")
    parser.add_argument("--weights", type=Path, metavar="FILE", help="ImageNet weights (default: torchvision's)")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS, help="(default: all)")
    parser.add_argument("--experiments", nargs="+", metavar="NAME", help="ablations to run now (default: all)")
    parser.add_argument(
        "--rounds", type=positive_int, default=5, metavar="N", help="interleaved rounds of the speed (default: 5)"
    )
    parser.add_argument("--output", type=Path, default=Path("runs/training"), metavar="DIR", help="the runs' folder")
    parser.add_argument("--report", type=Path, default=Path("runs/report"), metavar="DIR", help="the report's folder")
    return parser


def main(arguments: Sequence[str]) -> int:
    """Run ``python -m benchmarks training`` and return its exit status."""
    options = build_parser().parse_args(arguments)
    return run_command("benchmarks", lambda: _measure(options), interrupted="the same command goes on where it stopped")


def _measure(options: argparse.Namespace) -> None:
    record = options.report / "training.json"
    figures: dict[str, Any] = json.loads(record.read_text()) if record.is_file() else {}
    val, test = read_split(options.data, "val"), read_split(options.data, "test")
    # Without --weights, training finds torchvision's itself; no part that trains nothing fetches any.
    common = ("--data", str(options.data), *(("--weights", str(options.weights)) if options.weights else ()))
    signature: dict[str, Any] = {
        "machine": describe_machine(),
        "command": shlex.join(["python", "-m", "benchmarks", *sys.argv[1:]]),
    }

    def save(part: str) -> None:
        figures.setdefault("signatures", {})[part] = signature
        write_text(record, json.dumps(figures, indent=1) + "\n")
        write_text(options.report / "training.md", _markdown(figures))

    if "speed" in options.only:
        train = read_split(options.data, "train")
        weights = options.weights or ensure_weights()
        # Every kind of processor has its own: what bfloat16 gains differs between them more than anything else here.
        figures.setdefault("speed", {})[signature["machine"]["processor"]] = signature | {
            "recipes": {
                name: measure_training_speed(train, weights, RECIPES[name], options.rounds) for name in TIMED_RECIPES
            }
        }
        save("speed")
    if "seeds" in options.only:
        paths = [run_experiment(experiment, options.output, common) for experiment in CLAIMED]
        soup = options.output / "soup.pt"
        save_checkpoint(average_checkpoints(paths), soup)
        figures["seeds"] = [
            _accuracy(name, path, val, test)
            for name, path in [*((e.change, path) for e, path in zip(CLAIMED, paths, strict=True)), ("soup", soup)]
        ]
        save("seeds")
    if "fast" in options.only:
        figures["fast"] = _accuracy(FAST.change, run_experiment(FAST, options.output, common), val, test)
        save("fast")
    if "resolution" in options.only:
        checkpoint = load_checkpoint(options.output / CLAIMED[0].name / "best.pt")
        figures["resolution"] = [
            {"size": size, "crop_pct": crop_pct, "top1": float(_hits(checkpoint, val, size, crop_pct).mean())}
            for size, crop_pct in RESOLUTIONS
        ]
        save("resolution")
    if "ablation" in options.only:
        found = figures.setdefault("ablation", {})
        # The last epoch is measured, not the best one: choosing would favour runs whose accuracy jumps about.
        schedule = ("--epochs", str(ABLATION_EPOCHS), "--validate-every", str(ABLATION_EPOCHS))
        short = (*common, "--cache", str(options.output / "cache"), *schedule)
        for experiment in ABLATIONS:
            if options.experiments and experiment.name not in (*options.experiments, REFERENCE.name):
                continue
            if found.get(experiment.name, {}).get("options") != shlex.join(experiment.options):
                train = read_split(options.data, "train")
                found |= _ablation_entries(experiment, options.output / "ablation", short, train, val)
                save("ablation")
    print(options.report / "training.md")


def _ablation_entries(
    experiment: Experiment, folder: Path, common: tuple[str, ...], train: Split, val: Split
) -> dict[str, dict[str, str]]:
    """What ``experiment`` ends with, on the photographs of ``val``; of the reference, two other endings as well."""
    path = run_experiment(experiment, folder, common, keep_state=experiment is REFERENCE)
    checkpoint = load_checkpoint(path)
    endings = {experiment.name: (experiment.change, checkpoint)}
    if experiment is REFERENCE:
        endings["batchnorm-anew"] = (
            "the same, BatchNorm statistics taken anew without augmentation",
            _batchnorm_anew(checkpoint, train),
        )
        endings["no-average"] = (
            "the same, without the averaging of weights",
            _not_averaged(checkpoint, path.with_name(LAST)),
        )
    return {
        name: {"change": change, "options": shlex.join(experiment.options), "hits": _as_digits(_hits(ending, val))}
        for name, (change, ending) in endings.items()
    }


def _as_digits(right: np.ndarray) -> str:
    return "".join("1" if hit else "0" for hit in right)


def _batchnorm_anew(checkpoint: Checkpoint, split: Split) -> Checkpoint:
    """With BatchNorm's statistics those of ``split`` as the test shows photographs."""
    network = checkpoint.network()
    update_bn((torch.from_numpy(p) for p in photo_batches(split.paths, checkpoint.preprocessing, BATCH)), network)
    return replace(checkpoint, state_dict=dict(network.resnet.state_dict()))


def _not_averaged(checkpoint: Checkpoint, state: Path) -> Checkpoint:
    """With the weights that were trained in the place of their moving average, which training never looks at."""
    content = load_untrusted(state)
    assert isinstance(content, dict)
    trained = {name.removeprefix("resnet."): tensor.contiguous() for name, tensor in content["network"].items()}
    return replace(checkpoint, state_dict=trained)


def _hits(checkpoint: Checkpoint, split: Split, size: int | None = None, crop_pct: float = 0.875) -> np.ndarray:
    preprocessing = checkpoint.preprocessing
    if size is not None:
        preprocessing = Preprocessing(size, crop_pct, preprocessing.interpolation)
    return hits(_logits(checkpoint, split, preprocessing), split.labels)


def _logits(checkpoint: Checkpoint, split: Split, preprocessing: Preprocessing) -> np.ndarray:
    return run_split({"network": TorchNetwork(checkpoint)}, split, preprocessing)["network"]


def _accuracy(name: str, path: Path, val: Split, test: Split) -> dict[str, Any]:
    checkpoint = load_checkpoint(path)
    figures: dict[str, Any] = {"name": name, "sha256": file_digest(path), "recipe": checkpoint.recipe}
    if (log := path.with_name(LOG)).is_file():
        figures["minutes"] = sum(json.loads(line)["seconds"] for line in log.read_text().splitlines()) / 60
    for split in (val, test):
        logits = _logits(checkpoint, split, checkpoint.preprocessing)
        right = hits(logits, split.labels)
        figures[split.name] = {
            "images": len(split),
            "top1": float(right.mean()),
            "top1_interval": wilson(int(right.sum()), len(right)),
            "mean_per_class": mean_per_class(logits, split.labels),
            "mean_per_class_interval": bootstrap_mean_per_class(right, split.labels),
        }
    return figures


def _markdown(figures: dict[str, Any]) -> str:
    rows = _ablation_rows(figures)
    return render("training.md.jinja", **figures, ablation_rows=rows, epochs=ABLATION_EPOCHS)


def _ablation_rows(figures: dict[str, Any]) -> list[dict[str, Any]]:
    """Each ablation against the reference, on the same photographs; the best first."""
    found = {
        name: (entry, np.array([hit == "1" for hit in entry["hits"]]))
        for name, entry in figures.get("ablation", {}).items()
    }
    if REFERENCE.name not in found:
        return []
    reference = found[REFERENCE.name][1]
    rows = [
        {
            **entry,
            "is_reference": name == REFERENCE.name,
            "top1": float(right.mean()),
            "top1_interval": wilson(int(right.sum()), len(right)),
            "difference": float(right.mean() - reference.mean()),
            "difference_interval": bootstrap_difference(right, reference),
        }
        for name, (entry, right) in found.items()
    ]
    return sorted(rows, key=lambda row: -row["top1"])
