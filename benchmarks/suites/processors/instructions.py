"""How many instructions an arm64 processor executes from the start of the command to the answer."""

import argparse

from benchmarks.core.arguments import add_emulation_arguments, add_models_argument, add_split_argument
from benchmarks.core.harness import Figures, Run, Suite
from benchmarks.environments.emulators import PROCESSORS
from benchmarks.environments.instruction_counter import fetch_counter
from benchmarks.measurements.emulated.instructions import STEPS, count_instructions, total
from finetune.data.dataset import read_split
from runtime.command_line.arguments import add_data_argument
from runtime.files.digest import file_digest

ARM = tuple(processor for processor in PROCESSORS if processor.architecture == "aarch64")
EXAMPLES = """\
examples:
  {command} --data data            the models inside, on a Raspberry Pi 4 and 5
  {command} --models flowers-resnet50-int8.onnx slim.onnx --processors cortex-a76

Needs Debian 12 on x86-64 with a C compiler, and installs nothing. The first run downloads 200 MB into --cache.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this suite."""
    add_data_argument(parser)
    add_split_argument(parser)
    add_models_argument(parser)
    add_emulation_arguments(parser, [processor.name for processor in ARM])


def measure(run: Run) -> Figures:
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
    return {"split": split.name, "rows": rows}


SUITE = Suite(
    description="Count the instructions of one answer on an emulated Raspberry Pi.",
    examples=EXAMPLES,
    add_arguments=add_arguments,
    measure=measure,
    template_values=lambda figures: {
        "steps": STEPS,
        "totals": [total(row["steps"]) for row in figures["rows"]],
    },
)
