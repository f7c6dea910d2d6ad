"""Several model files side by side: accuracy, verdicts, time of the network and of the whole path."""

import argparse
import json
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from benchmarks.core import plots
from benchmarks.core.arguments import (
    add_limit_argument,
    add_models_argument,
    add_rounds_argument,
    add_split_argument,
    evenly_spaced,
)
from benchmarks.core.harness import Figures, Run, Suite, warn
from benchmarks.core.process_timing import infer_command, measure_commands, minimal_command, run_worker
from benchmarks.core.timing import rotating_rounds, speedup
from benchmarks.measurements import accuracy
from benchmarks.measurements.confidence import name_shares
from export.confidence.cuts import named
from export.confidence.temperature import expected_calibration_error
from export.stages.evidence import changed_photographs_of_model
from export.verification.evaluation import run_split
from finetune.data.dataset import read_split
from finetune.data.split import Split
from runtime.answers.answer import AnswerRule
from runtime.command_line.arguments import add_data_argument, add_threads_argument
from runtime.errors import FlowerError
from runtime.files.digest import file_digest
from runtime.inference.session import Outputs, Session
from runtime.inference.shipped_models import SHIPPED_MODELS

EXAMPLES = """\
examples:
  {command} --data data                              the models inside the package
  {command} --models full slim tiny.onnx --data data
  {command} --limit 50 --rounds 3                    a quick look

The first file is the one to compare with. Run nothing else on the machine meanwhile. Each file runs in a process of its
own, one after another in each round. Writes compare.md, compare.json and compare.png.
"""
PHOTOS = 60
"""Photographs that each process answers."""
QUANTITIES = {"network": "the network alone", "answer": "a photo to its answer", "start": "the command for one photo"}
"""What is timed, in milliseconds."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this suite."""
    add_models_argument(parser)
    add_data_argument(parser)
    add_split_argument(parser)
    add_limit_argument(parser)
    add_rounds_argument(parser, 15)
    add_threads_argument(parser)


def measure(run: Run) -> Figures:
    """Measure every file.

    Raises:
        FlowerError: the files or the data set have different classes.
    """
    options = run.options
    split = read_split(options.data, options.split).head(options.limit)
    names = _names(options.models)
    sessions = [Session(model, device="cpu", threads=options.threads) for model in options.models]
    for model, session in zip(options.models, sessions, strict=True):
        if session.info.classes != split.classes:
            raise FlowerError(f"{model}: its classes differ from those of the data set; give the data it is for")
        warn(changed_photographs_of_model(options.data, session.info, names=(options.split,)))
    times = _measure_times(dict(zip(names, options.models, strict=True)), split, options)
    # One after another, because the models may take photos of different sizes.
    every = [
        run_split({name: session}, split, session.info.preprocessing)[name]
        for name, session in zip(names, sessions, strict=True)
    ]
    rows: list[Figures] = []
    for name, model, session, outputs in zip(names, options.models, sessions, every, strict=True):
        rows.append(
            {
                "name": name,
                "bytes": model.stat().st_size,
                "sha256": file_digest(model),
                "size": session.info.preprocessing.size,
                "accuracy": accuracy.figures(outputs.logits, split, every[0].logits if rows else None),
                "calibration_error": expected_calibration_error(
                    AnswerRule(session.info).probabilities(outputs.logits), split.labels
                ),
                **name_shares(session, outputs, split.labels),
                "same_verdict": _same_verdict(sessions[0], every[0], session, outputs),
                **_time_figures(times[name], times[names[0]]),
            }
        )
    figures = {"split": split.describe(), "rounds": options.rounds, "photos": PHOTOS, "threads": options.threads}
    run.attach("compare.png", plots.tradeoff_plot(rows))
    return {**figures, "rows": rows}


def _names(models: Sequence[Path]) -> list[str]:
    shipped = {path: name for name, path in SHIPPED_MODELS.items()}
    names = [shipped.get(path, path.stem) for path in models]
    if len(set(names)) < len(names):
        raise FlowerError("two of the files have the same name; rename one")
    return names


def _measure_times(models: dict[str, Path], split: Split, options: argparse.Namespace) -> dict[str, dict[str, Any]]:
    """Return for each model the times of each round: float, shape (rounds,)."""
    paths = evenly_spaced(split.paths, PHOTOS)
    values: dict[str, dict[str, list[float]]] = {name: defaultdict(list) for name in models}
    order = rotating_rounds(list(models), options.rounds)
    for _, turn in tqdm(order, total=options.rounds, desc="compare", unit="round", disable=None):
        for name in turn:
            arguments = (str(models[name].resolve()), str(options.threads), *map(str, paths))
            measured = json.loads(run_worker(name, "answer_timing", *arguments))
            for key, value in measured.items():
                values[name][key].append(float(np.median(value)))
    commands: dict[str, list[str]] = {}
    for name, model in models.items():
        commands[name] = infer_command(options.threads, paths[0], model=model.resolve())
        commands[f"{name}, minimal"] = minimal_command(options.threads, model)
    started = measure_commands(commands, options.rounds)
    return {
        name: {
            **{key: np.array(each) for key, each in values[name].items()},
            "start": 1000 * started[name]["seconds"],
            "minimal": 1000 * started[f"{name}, minimal"]["seconds"],
        }
        for name in models
    }


def _time_figures(own: dict[str, np.ndarray], first: dict[str, np.ndarray]) -> Figures:
    figures: Figures = {}
    for key in QUANTITIES:
        p25, p50, p75 = np.percentile(own[key], [25, 50, 75]).tolist()
        figures[key] = {"p25_ms": p25, "p50_ms": p50, "p75_ms": p75, "ratio": speedup(own[key], first[key])}
    figures["many_per_second"] = float(np.median(own["many_per_second"]))
    # As shares of the network's throughput, and as multiples of the minimal script's time.
    figures["many_of_network"] = speedup(1 / own["many_per_second"], 1 / own["network_per_second"])
    figures["start_of_minimal"] = speedup(own["minimal"], own["start"])
    return figures


def _same_verdict(first_session: Session, first: Outputs, session: Session, outputs: Outputs) -> float:
    """Return the share of photographs that both models name, or both do not."""
    both = (named(each, of.info.temperature, of.info.cuts) for each, of in ((first, first_session), (outputs, session)))
    return float(np.mean(np.equal(*both)))


SUITE = Suite(
    description="Compare model files: accuracy, verdicts and time.",
    examples=EXAMPLES,
    add_arguments=add_arguments,
    measure=measure,
    template_values=lambda _: {"quantities": QUANTITIES},
)
