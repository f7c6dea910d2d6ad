"""How many instructions an arm64 processor executes from the start of the command to the answer."""

import argparse
from pathlib import Path

from benchmarks.core.arguments import (
    add_emulation_arguments,
    add_forms_arguments,
    add_models_argument,
    add_split_argument,
)
from benchmarks.core.harness import Figures, Run, Suite, warn
from benchmarks.environments.emulators import PROCESSORS
from benchmarks.environments.emulators import WHEELS as ARM_WHEELS
from benchmarks.environments.instruction_counter import fetch_counter
from benchmarks.measurements.emulated.engines import WHEELS, count_engines
from benchmarks.measurements.emulated.instructions import STEPS, count_instructions, total
from benchmarks.measurements.engines.contestants import of_checkpoint
from finetune.data.dataset import read_split
from finetune.network.checkpoint import Checkpoint, load_checkpoint
from runtime.command_line.arguments import add_data_argument
from runtime.errors import FlowerError
from runtime.files.digest import file_digest
from runtime.inference.session import Session

ARM = tuple(processor for processor in PROCESSORS if processor.architecture == "aarch64")
EXAMPLES = """\
examples:
  {command} --data data            the models inside, on a Raspberry Pi 4 and 5
  {command} --models flowers-resnet50-int8.onnx slim.onnx --processors cortex-a76
  {command} --only engines --checkpoint runs/restored/best.pt    ncnn and LiteRT

Needs Debian 12 on x86-64 with a C compiler, and installs nothing. The first run downloads 200 MB into --cache. The part
engines needs --checkpoint, and the engines on this machine: pip install 'flower-edge[engines]'.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this suite."""
    add_data_argument(parser)
    add_split_argument(parser)
    add_models_argument(parser)
    parser.add_argument("--checkpoint", type=Path, metavar="FILE", help="the network of the part engines")
    add_forms_arguments(parser)
    add_emulation_arguments(parser, [processor.name for processor in ARM])


def count_answers(run: Run) -> None:
    """Count the instructions of every model on every processor."""
    options = run.options
    split = read_split(options.data, options.split)
    counter = fetch_counter(options.cache)
    rows = []
    for model in options.models:
        for processor in ARM:
            if processor.name in options.processors:
                counted = count_instructions(counter, processor, model, split.paths[0])
                name = {"model": model.name, "model_sha256": file_digest(model)}
                rows.append({**name, "processor": processor.name, "description": processor.description, **counted})
                print(
                    f"{model.name} on {processor.name}: {total(counted['steps']) / 1e6:,.0f} million instructions to "
                    f"the answer, {counted['steps'][STEPS[-1]] / 1e6:,.0f} million in the network",
                    flush=True,
                )
    run.figures["answers"] = {**run.signature, "split": split.name, "packages": ARM_WHEELS, "rows": rows}


def count_other_engines(run: Run) -> None:
    """Count the instructions of one network in other engines on every processor. Without a checkpoint: nothing."""
    options = run.options
    if options.checkpoint is None:
        if "answers" not in options.only:
            raise FlowerError("the part engines needs --checkpoint; python -m export restore makes one")
        warn(["the part engines needs --checkpoint; it stays as it is"])
        return
    processors = [processor for processor in ARM if processor.name in options.processors]
    checkpoint = load_checkpoint(options.checkpoint)
    found = of_checkpoint(options.checkpoint, checkpoint, options.data, options.calibration, options.forms, only=WHEELS)
    counter = fetch_counter(options.cache)
    rows = []
    for row in count_engines(counter, processors, found, options.data, options.split):
        rows.append(row)
        for processor, instructions in row.get("instructions", {}).items():
            print(f"{row['engine']}, {row['form']}, on {processor}: {instructions / 1e6:,.0f} million", flush=True)
    run.figures["engines"] = {
        **run.signature,
        "split": options.split,
        "checkpoint_sha256": file_digest(options.checkpoint),
        "model_sha256": _model_of(checkpoint, options),
        "processors": [processor.name for processor in processors],
        "rows": rows,
    }


def _model_of(checkpoint: Checkpoint, options: argparse.Namespace) -> str | None:
    """Return the SHA-256 of the model file of ``--models`` that has the network of the checkpoint; None if none has."""
    restored_from, own = checkpoint.provenance.get("restored_from_sha256"), file_digest(options.checkpoint)
    for model in options.models:
        digest = file_digest(model)
        made_from = Session(model, device="cpu", threads=1).info.training.get("checkpoint_sha256")
        if restored_from == digest or made_from == own:
            return digest
    return None


def template_values(figures: Figures) -> Figures:
    """Return the steps and the sums of the answers, and onnxruntime's own later runs of the other engines' network."""
    rows = figures.get("answers", {}).get("rows", [])
    same = [row for row in rows if row["model_sha256"] == figures.get("engines", {}).get("model_sha256")]
    return {
        "steps": STEPS,
        "totals": [total(row["steps"]) for row in rows],
        "same_model": same[0]["model"] if same else None,
        "onnxruntime": {row["processor"]: row["steps"][STEPS[-1]] for row in same},
    }


SUITE = Suite(
    description="Count the instructions of one answer on an emulated Raspberry Pi.",
    examples=EXAMPLES,
    add_arguments=add_arguments,
    parts={"answers": count_answers, "engines": count_other_engines},
    template_values=template_values,
)
