"""Accuracy on turned, blurred, compressed, noisy, grey and small photographs."""

import argparse
from typing import Any

import numpy as np
from tqdm import tqdm

from benchmarks.core.arguments import add_limit_argument, add_split_argument
from benchmarks.core.harness import Figures, Run, Suite, warn
from benchmarks.core.intervals import wilson
from benchmarks.measurements.confidence import name_shares
from benchmarks.measurements.corruptions import CORRUPTIONS, corrupted_views
from export.stages.evidence import changed_photographs_of_model
from finetune.data.dataset import read_split
from finetune.data.split import Split
from runtime.command_line.arguments import add_data_argument, add_model_argument, add_threads_argument
from runtime.errors import FlowerError
from runtime.files.digest import file_digest
from runtime.inference.session import Outputs, Session
from runtime.inference.shipped_models import DEFAULT_MODEL

EXAMPLES = """\
examples:
  {command} --data data
  {command} --model runs/flowers/flowers-resnet50-int8.onnx --data data --limit 100     a quick look
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this suite."""
    add_model_argument(parser, DEFAULT_MODEL)
    add_data_argument(parser)
    add_split_argument(parser)
    add_limit_argument(parser)
    add_threads_argument(parser)


def measure(run: Run) -> Figures:
    """Run the model file on every photograph of the split, clean and with each corruption.

    Raises:
        FlowerError: the classes of the model and of the data set differ.
    """
    options = run.options
    split = read_split(options.data, options.split).head(options.limit)
    session = Session(options.model, device="cpu", threads=options.threads)
    if session.info.classes != split.classes:
        raise FlowerError(f"{options.model}: its classes differ from those of the data set; give the data it is for")
    warn(changed_photographs_of_model(options.data, session.info, names=(options.split,)))
    every = _run_corrupted(session, split)
    names = [("clean", "as it is"), *((corruption.name, corruption.description) for corruption in CORRUPTIONS)]
    rows = [
        {"name": name, "description": description, **_row(session, outputs, split)}
        for (name, description), outputs in zip(names, every, strict=True)
    ]
    return {
        "model": {"file": options.model.name, "sha256": file_digest(options.model)},
        "has_familiarity": session.has_familiarity,
        "split": split.describe(),
        "images": len(split),
        "rows": rows,
        "mean_top1": float(np.mean([row["top1"] for row in rows[1:]])),
    }


def _run_corrupted(session: Session, split: Split) -> list[Outputs]:
    """Return the outputs for all photographs: first clean, and then with each corruption."""
    runs = []
    with tqdm(total=len(split), desc=f"corruptions, {split.name}", unit="img", disable=None) as bar:
        for views in corrupted_views(split.paths, session.info.preprocessing):
            runs.append(session.run(views))
            bar.update()
    return [
        Outputs(
            np.stack([run.logits[place] for run in runs]),
            np.array([run.familiarity[place] for run in runs if run.familiarity is not None])
            if session.has_familiarity
            else None,
        )
        for place in range(1 + len(CORRUPTIONS))
    ]


def _row(session: Session, outputs: Outputs, split: Split) -> dict[str, Any]:
    right = outputs.logits.argmax(axis=1) == split.labels
    return {
        "top1": float(right.mean()),
        "top1_interval": wilson(int(right.sum()), len(right)),
        **name_shares(session, outputs, split.labels),
    }


SUITE = Suite(
    description="Measure a model file on turned, blurred, compressed, noisy, grey and small photographs.",
    examples=EXAMPLES,
    add_arguments=add_arguments,
    measure=measure,
)
