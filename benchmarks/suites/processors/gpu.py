"""An NVIDIA GPU: inference on it against the CPU, the choice of auto, and training."""

import argparse
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.core.arguments import add_limit_argument, add_photos_argument, add_rounds_argument
from benchmarks.core.harness import Figures, Part, Run, Suite
from benchmarks.core.timing import percentiles, speedup
from benchmarks.measurements.gpu.auto_choice import chosen_devices, statements
from benchmarks.measurements.gpu.inference import BATCHES, Contestant, measure_inference
from benchmarks.measurements.gpu.requirements import ON_GPU, gpu_description, missing
from benchmarks.measurements.gpu.training import measure_training
from export.command_line.output import print_line
from export.stages.export_checkpoint import export_checkpoint
from finetune.data.dataset import read_split
from finetune.recipe import RECIPES
from runtime.command_line.arguments import (
    add_data_argument,
    add_model_argument,
    add_threads_argument,
    positive_int,
)
from runtime.distribution import module_command
from runtime.errors import FlowerError
from runtime.files.digest import file_digest
from runtime.inference.session import Session
from runtime.inference.shipped_models import DEFAULT_MODEL

EXAMPLES = f"""\
examples:
  {module_command("export")} restore --data data --output runs/gpu/restored.pt      of the model inside
  {{command}} --data data
  {{command}} --data data --only training        needs torch with CUDA only

Needs an NVIDIA GPU with its driver, onnxruntime-gpu in the place of onnxruntime, and torch with CUDA. `make gpu`
installs them and runs this. Where TensorRT is missing, the report says so. Run nothing else on the machine meanwhile.
"""
CONTESTANTS: tuple[Contestant, ...] = (
    ("int8", "cpu"),
    ("int8", "cuda"),
    ("fp16", "cpu"),
    ("fp16", "cuda"),
    ("int8-tensorrt", "cpu"),
    ("int8-tensorrt", "cuda"),
    ("int8-tensorrt", "tensorrt"),
)
"""The forms of the model file and the devices. The first is the reference. Every form is measured on each device that
``auto`` may choose, so that its choice can be judged."""
EXPORTED = ("fp16", "int8-tensorrt")
"""The forms that ``python -m export --target cuda`` writes for GPUs."""
CALIBRATION_IMAGES = 510
"""Half of the validation photographs of Oxford 102 Flowers, 5 of each class: the export then takes half of the time."""
TRAINING_DEVICES = ("cuda",)
TIMED_RECIPES = ("fast", "default")

# With the defaults, the suite is planned to take five minutes on a GPU with eight cores: export 90 s, TensorRT's two
# compilations 120 s, timing and accuracy 40 s, training 60 s. `make gpu` has as long for the installation.
PHOTOS, ROUNDS, EPOCHS = 510, 50, 6


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this suite."""
    parser.add_argument(
        "--checkpoint", type=Path, default=Path("runs/gpu/restored.pt"), metavar="FILE",
        help="for the FP16 file, TensorRT's INT8 file and the start of training (default: %(default)s)",
    )  # fmt: skip
    add_model_argument(parser, DEFAULT_MODEL)
    parser.add_argument(
        "--files", type=Path, default=Path("runs/gpu"), metavar="DIR",
        help=f"folder of the files from {module_command('export')} --target cuda; made if they are not there "
        "(default: %(default)s)",
    )  # fmt: skip
    add_data_argument(parser)
    add_photos_argument(parser, PHOTOS)
    add_rounds_argument(parser, ROUNDS, note=" of one photograph")
    parser.add_argument(
        "--epochs", type=positive_int, default=EPOCHS, metavar="N", help="of each training run (default: %(default)s)"
    )
    add_limit_argument(parser, photographs="photographs of each split in training")
    add_threads_argument(parser)


def measure_devices(options: argparse.Namespace) -> Figures:
    """Answers, accuracy and speed of each form of the model file on each device.

    Raises:
        FlowerError: no file ran on the GPU, or the reference cannot be measured.
    """
    split = read_split(options.data, "test").head(options.photos)
    rows = measure_inference(CONTESTANTS, _model_files(options), split, options.rounds, options.threads)
    failures = [row.get("failed") for row in rows if row["device"] in ON_GPU]
    if failures and all(failures):
        raise FlowerError(f"no file ran on the GPU: {failures[0]}")
    return {
        "split": split.describe(),
        "rounds": options.rounds,
        "threads": options.threads,
        "rows": rows,
    }


def measure_auto(options: argparse.Namespace) -> Figures:
    """The device that ``auto`` chooses for each form. `template_values` judges it by the figures of inference."""
    return {"rows": chosen_devices(_model_files(options), options.threads)}


def measure_training_runs(options: argparse.Namespace) -> Figures:
    """Images per second and how busy the GPU is, for each recipe."""
    return {
        "rows": [
            {
                "recipe": name,
                "device": device,
                **measure_training(
                    options.data, options.checkpoint, RECIPES[name], device, epochs=options.epochs, limit=options.limit
                ),
            }
            for name in TIMED_RECIPES
            for device in TRAINING_DEVICES
        ]
    }


def _model_files(options: argparse.Namespace) -> dict[str, Path]:
    """Return form → model file. The forms of `EXPORTED` are exported from the checkpoint if they are not there.

    Raises:
        FlowerError: there is no checkpoint to export, or a file was made from another one.
    """
    files = _exported_files(options.files)
    if len(files) < len(EXPORTED):
        export_checkpoint(
            options.checkpoint,
            options.data,
            output=options.files,
            target="cuda",
            max_drop=100.0,  # this suite reports what a file loses
            calibration_images=CALIBRATION_IMAGES,
            evaluate=None,
            report=print_line,
        )
        files = _exported_files(options.files)
    elif options.checkpoint.is_file():
        made_from = file_digest(options.checkpoint)
        for path in files.values():
            if Session(path, device="cpu").info.training.get("checkpoint_sha256") != made_from:
                raise FlowerError(f"{path}: was made from another file than {options.checkpoint}; name another --files")
    return {"int8": options.model, **files}


def _exported_files(folder: Path) -> dict[str, Path]:
    """Return the files of `EXPORTED` in a folder. Their names begin with that of the data set."""
    found = {form: sorted(folder.glob(f"*-resnet50-{form}.onnx")) for form in EXPORTED}
    return {form: paths[0] for form, paths in found.items() if paths}


_PARTS = {"inference": measure_devices, "auto": measure_auto, "training": measure_training_runs}


def _record_part(name: str, run: Run) -> None:
    """Measure a part and record it with the command, the machine and the GPU of this run.

    Raises:
        FlowerError: something is missing for one of the parts that were asked for.
    """
    # All parts are checked before the first one, so that nothing is missed after minutes.
    parts = run.options.only
    lines = missing(
        (device for _, device in CONTESTANTS if {"inference", "auto"} & set(parts)),
        TRAINING_DEVICES if "training" in parts else (),
    )
    if lines:
        raise FlowerError(f"no NVIDIA GPU can be measured: {'; '.join(lines)}")
    run.figures[name] = {**_PARTS[name](run.options), **run.signature, "gpu": gpu_description()}


def template_values(figures: Figures) -> Mapping[str, Any]:
    """Return the rows of the tables of speed, and what they say about the choice of ``auto``."""
    rows = figures.get("inference", {}).get("rows", [])
    judged = statements(figures.get("auto", {}).get("rows", []), rows)
    return {
        "batches": sorted(BATCHES),
        "speed_rows": [_speed_row(row, rows[0]) for row in rows if "failed" not in row],
        "auto_statements": judged,
        "auto_slower": sum(statement["is_slower"] is True for statement in judged),
        "auto_compared": sum(statement["is_slower"] is not None for statement in judged),
    }


def _speed_row(row: Mapping[str, Any], reference: Mapping[str, Any]) -> dict[str, Any]:
    """Return batch → times, images per second and the ratio to the reference of one row."""
    batches = {}
    for size, milliseconds in row["milliseconds"].items():
        times = np.array(milliseconds) / 1000
        batches[int(size)] = {
            **percentiles(times),
            "images_per_second": np.percentile(int(size) / times, [25, 50, 75]).tolist(),
            "ratio": speedup(times, np.array(reference["milliseconds"][size]) / 1000),
        }
    return {**row, "batches": batches}


PARTS: dict[str, Part] = {name: partial(_record_part, name) for name in _PARTS}

SUITE = Suite(
    description="Measure an NVIDIA GPU: answers, accuracy and speed against the CPU, the choice of auto, and training.",
    examples=EXAMPLES,
    add_arguments=add_arguments,
    parts=PARTS,
    template_values=template_values,
    interrupted="the report holds the parts that were complete",
)
