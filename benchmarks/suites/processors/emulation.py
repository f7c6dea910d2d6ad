"""The answers of a model file on emulated processors, for example a Raspberry Pi's."""

import argparse
from typing import Any

import numpy as np

from benchmarks.core.arguments import (
    add_emulation_arguments,
    add_photos_argument,
    add_split_argument,
    evenly_spaced,
)
from benchmarks.core.harness import Figures, Run, Suite
from benchmarks.environments.emulators import PROCESSORS, EmulationError, Processor, fetch_emulators
from benchmarks.measurements.emulated.answers import run_emulated
from export.verification.comparison import MAX_ROUNDING_DIFFERENCE
from finetune.data.dataset import read_split
from runtime.command_line.arguments import add_data_argument, add_model_argument
from runtime.inference.session import Session
from runtime.inference.shipped_models import DEFAULT_MODEL

EXAMPLES = """\
examples:
  {command} --data data            20 test photographs, the model inside, all processors
  {command} --photos 3 --processors cortex-a72

Needs Debian 12 on x86-64 and installs nothing. The first run downloads 200 MB into --cache. An emulated Cortex-A72
takes 10 seconds for one photograph. The exit status is 1 if an answer differs from this machine's.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this suite."""
    add_model_argument(parser, DEFAULT_MODEL)
    add_data_argument(parser)
    add_split_argument(parser)
    add_photos_argument(parser, 20)
    add_emulation_arguments(parser, [processor.name for processor in PROCESSORS])


def measure(run: Run) -> Figures:
    """Compare the logits on every processor with this machine's."""
    options = run.options
    split = read_split(options.data, options.split)
    photos = evenly_spaced(split.paths, options.photos)
    session = Session(options.model, device="cpu")
    native = np.stack([session.logits(session.info.preprocessing(path)[np.newaxis])[0] for path in photos])
    emulators = fetch_emulators(options.cache)
    rows = []
    for processor in PROCESSORS:
        if processor.name in options.processors:
            for default_options in (False, True) if processor.overflows else (False,):
                version, emulated = run_emulated(
                    emulators, processor, options.model, photos, default_options=default_options
                )
                rows.append(_row(processor, native, emulated, version, default_options=default_options))
                print(_line(rows[-1]), flush=True)
    return {
        "photos": len(photos),
        "split": split.describe(),
        "limit": MAX_ROUNDING_DIFFERENCE,
        "processors": rows,
    }


def check(figures: Figures) -> None:
    """Raise an error if an answer differs.

    Raises:
        EmulationError: names the processors whose answers differ.
    """
    wrong = [row["name"] for row in figures["processors"] if row["checked"] and not row["passed"]]
    if wrong:
        raise EmulationError(f"the answers on {', '.join(wrong)} differ from this machine's; see the report")


def _row(
    processor: Processor, native: np.ndarray, emulated: np.ndarray, version: str, *, default_options: bool
) -> dict[str, Any]:
    same = int((native.argmax(axis=1) == emulated.argmax(axis=1)).sum())
    worst = float(np.abs(native - emulated).max() / native.std())
    return {
        "name": processor.name,
        "description": processor.description + (", onnxruntime's default options" if default_options else ""),
        "checked": not default_options,
        "onnxruntime": version,
        "photos": len(native),
        "same_top1": same,
        "worst_difference": worst,
        "passed": same == len(native) and worst <= MAX_ROUNDING_DIFFERENCE,
    }


def _line(row: dict[str, Any]) -> str:
    return (
        f"{row['name']} ({row['description']}): same top-1 on {row['same_top1']} of {row['photos']}, logits differ by "
        f"at most {100 * row['worst_difference']:.2g} % of their standard deviation"
    )


SUITE = Suite(
    description="Compare a model's answers on emulated processors with this machine's.",
    examples=EXAMPLES,
    add_arguments=add_arguments,
    measure=measure,
    check=check,
)
