"""The levers of a smaller network, its widths, its blocks and the size of its photos: accuracy against time."""

import argparse
import json
from collections.abc import Callable, Container, Mapping
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from tqdm import tqdm

from benchmarks.core import plots
from benchmarks.core.arguments import add_rounds_argument
from benchmarks.core.comparisons import compare_paired
from benchmarks.core.harness import Figures, Part, Run, Suite, warn
from benchmarks.core.process_timing import run_worker
from benchmarks.core.timing import rotating_rounds, speedup
from benchmarks.measurements.training.int8_files import file_figures, from_digits, write_int8_file
from benchmarks.measurements.training.levers import LEVERS, Point, compare_levers, pareto_front
from benchmarks.measurements.training.slim_networks import (
    CONTROL,
    PLANS,
    Schedule,
    network_figures,
    slim_plan,
    train_slim_network,
)
from export.graph.float_graph import build_float_graph
from export.stages.evidence import changed_photographs
from export.stages.load import training_splits
from finetune.data.dataset import read_split
from finetune.network.checkpoint import load_checkpoint
from finetune.run.output_folder import BEST_CHECKPOINT
from runtime.command_line.arguments import add_data_argument, add_threads_argument, positive_int
from runtime.errors import FlowerError
from runtime.files.digest import file_digest

EXAMPLES = """\
examples:
  {command} --checkpoint runs/fast/best.pt --data data
  {command} --data data --only networks accuracy    on a busy machine
  {command} --data data --only times                afterwards, on a quiet one

The recipe "fast" of `finetune` trains the checkpoint, for example with --epochs 4 --output runs/fast.
The full network must be new to the validation photographs, which all networks are measured on. A command that was
stopped continues when it is run again; the times start again. Run nothing else on the machine while they are measured.
"""
SPLIT = "val"
SIZES = (96, 112, 128, 144, 160, 176, 192, 224)
FULL = "full"
"""The name of the full network."""
RUNS = 30
"""Runs in each process. Their median is one measurement."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this suite."""
    add_data_argument(parser)
    parser.add_argument(
        "--checkpoint",
        type=Path,
        default=Path("runs/fast/best.pt"),
        metavar="FILE",
        help="the full network, trained without the validation photographs (default: %(default)s)",
    )
    others = [plan for plan in PLANS if plan != CONTROL]
    parser.add_argument(
        "--networks",
        type=slim_plan,
        nargs="+",
        default=others,
        metavar="WORK/BLOCKS",
        help="the share of the full network's work for a photo of the same size that a slim network keeps, and the "
        f"blocks that layer3 loses (default: {' '.join(f'{plan.work:g}/{plan.drop_blocks}' for plan in others)}); one "
        "with nothing removed is trained besides",
    )
    parser.add_argument(
        "--epochs", type=positive_int, default=4, metavar="N", help="of each network (default: %(default)s)"
    )
    parser.add_argument(
        "--size", type=positive_int, default=128, metavar="N", help="of the training crops (default: %(default)s)"
    )
    parser.add_argument(
        "--sizes", type=positive_int, nargs="+", default=SIZES, metavar="N",
        help=f"of the photos that each network is measured with (default: {' '.join(map(str, SIZES))})",
    )  # fmt: skip
    parser.add_argument(
        "--calibration", type=positive_int, default=256, metavar="N",
        help="validation photographs for the activation ranges of INT8 (default: %(default)s)",
    )  # fmt: skip
    add_rounds_argument(parser, 10, note=" of the part times")
    add_threads_argument(parser)
    parser.add_argument(
        "--output",
        type=Path,
        default=Path("runs/slimming"),
        metavar="DIR",
        help="folder for the networks and their model files (default: %(default)s)",
    )


def train_networks(run: Run) -> Figures:
    """Train the networks that are not yet in the output folder."""
    options = run.options
    digest, full = file_digest(options.checkpoint), load_checkpoint(options.checkpoint)
    if SPLIT in training_splits(full.provenance):
        raise FlowerError(
            f"{options.checkpoint}: was trained on the validation photographs, on which the networks are compared; "
            "give one that was trained on the training photographs alone"
        )
    warn(changed_photographs(options.data, full.provenance, full.trained_on, names=(SPLIT,)))
    schedule = Schedule(options.epochs, options.size)
    rows = {FULL: {"title": "the full network", "plan": None, **network_figures(options.checkpoint, full)}}
    for plan in dict.fromkeys((CONTROL, *options.networks)):
        path = train_slim_network(plan, options.checkpoint, full, schedule, options.data, options.output, digest)
        rows[plan.name] = {"title": plan.title, "plan": asdict(plan), **network_figures(path, full)}
    return {"schedule": asdict(schedule), "rows": rows}


def measure_accuracy(run: Run) -> Figures:
    """Make an INT8 file of each network for each size, and measure it. Saves after each file."""
    options = run.options
    split = read_split(options.data, SPLIT)
    calibration = split.head(options.calibration)
    made_of_photographs = {"calibration": len(calibration), "photographs_sha256": split.digest()}
    earlier = run.figures.get("accuracy", {}).get("points", {})
    points: Figures = {}
    _reference(run.figures, {f"{FULL}-{size}" for size in options.sizes})
    for network, row in _part_of(run.figures, "networks")["rows"].items():
        checkpoint_file = options.checkpoint if network == FULL else options.output / network / BEST_CHECKPOINT
        if file_digest(checkpoint_file) != row["sha256"]:
            raise FlowerError(f"{checkpoint_file}: is not the one of the part networks; measure that part again")
        checkpoint = load_checkpoint(checkpoint_file)
        core: onnx.ModelProto | None = None
        for size in options.sizes:
            name = f"{network}-{size}"
            path = _model_file(options.output, name)
            made_from = {"checkpoint_sha256": row["sha256"], **made_of_photographs}
            point = earlier.get(name, {})
            if point.get("made_from") != made_from or not path.is_file() or file_digest(path) != point["sha256"]:
                core = core or build_float_graph(checkpoint)
                write_int8_file(core, checkpoint, row["sha256"], size, calibration, path)
                figures = file_figures(path, replace(checkpoint.preprocessing, size=size), split)
                point = {"network": network, "size": size, **figures, "made_from": made_from}
            points[name] = point
            run.figures["accuracy"] = {
                **run.signature,
                "photographs": split.describe(),
                "calibration": len(calibration),
                "points": {**earlier, **points},
            }
            run.save()
    return {**run.figures["accuracy"], "points": points}


def measure_times(run: Run) -> Figures:
    """Time every INT8 file, interleaved, each in a process of its own."""
    options = run.options
    points = _part_of(run.figures, "accuracy")["points"]
    reference = _reference(run.figures, points)
    for name, point in points.items():
        path = _model_file(options.output, name)
        if not path.is_file() or file_digest(path) != point["sha256"]:
            raise FlowerError(f"{path}: is not the file of the part accuracy; measure that part again")
    milliseconds: dict[str, list[float]] = {name: [] for name in points}
    order = rotating_rounds(list(points), options.rounds)
    for _, turn in tqdm(order, total=options.rounds, desc="times", unit="round", disable=None):
        for name in turn:
            arguments = (str(_model_file(options.output, name)), str(points[name]["size"]), str(options.threads))
            measured = json.loads(run_worker(name, "network_timing", *arguments, str(RUNS)))
            milliseconds[name].append(float(np.median(measured)))
    files = {}
    for name, values in milliseconds.items():
        p25, p50, p75 = np.percentile(values, [25, 50, 75]).tolist()
        ratio = speedup(np.array(values), np.array(milliseconds[reference]))
        files[name] = {
            "sha256": points[name]["sha256"], "p25_ms": p25, "p50_ms": p50, "p75_ms": p75, "ratio": ratio,
        }  # fmt: skip
    return {"rounds": options.rounds, "runs": RUNS, "threads": options.threads, "files": files}


def template_values(figures: Figures) -> Mapping[str, Any]:
    """Return the rows of all points, the front, and what the levers lose at equal time."""
    networks = figures.get("networks", {}).get("rows", {})
    rows = _rows(figures, networks)
    timed = [Point(row) for row in rows if "p50_ms" in row]
    front = pareto_front(timed)
    on_front = {(point.figures["network"], point.size) for point in front}
    return {
        "rows": [{**row, "is_front": (row["network"], row["size"]) in on_front} for row in rows],
        "front": [point.figures for point in front],
        "comparison": compare_levers(timed),
        "lever_titles": LEVERS,
        "channels": {row["sha256"]: int(sum(np.sum(stage) for stage in row["widths"])) for row in networks.values()},
        "full": FULL,
    }


def _reference(figures: Figures, points: Container[str]) -> str:
    """Return the point that all are compared with: the full network at its own size."""
    networks = _part_of(figures, "networks")["rows"]
    name = _full_name(networks)
    if name not in points:
        raise FlowerError(f"--sizes must include {networks[FULL]['size']}, that of the full network")
    return name


def _full_name(networks: Figures) -> str:
    """Return the name of the point of the full network at its own size."""
    return f"{FULL}-{networks[FULL]['size']}"


def _rows(figures: Figures, networks: Figures) -> list[dict[str, Any]]:
    """Return what is known of each point: network, accuracy, difference from the full network, and time."""
    points = figures.get("accuracy", {}).get("points", {})
    times = figures.get("times", {}).get("files", {})
    reference = points.get(_full_name(networks)) if networks else None
    rows = []
    for name, point in points.items():
        # Points of networks that were trained again, or that are not in the report any more, are left out.
        if networks.get(point["network"], {}).get("sha256") != point["made_from"]["checkpoint_sha256"]:
            continue
        row = {**point, "title": networks[point["network"]]["title"], "plan": networks[point["network"]]["plan"]}
        if reference is not None:
            paired = compare_paired(from_digits(point["hits"]), from_digits(reference["hits"]))
            row |= {"difference": (paired.difference, paired.interval), "macs_share": point["macs"] / reference["macs"]}
        # Times of other files, from an earlier run, are left out.
        if times.get(name, {}).get("sha256") == point["sha256"]:
            row |= times[name]
        rows.append(row)
    return rows


def _draw(run: Run) -> None:
    """Attach the plot once accuracies and times are there."""
    values = template_values(run.figures)
    lines: dict[str, list[dict[str, Any]]] = {}
    for row in values["rows"]:
        if "p50_ms" in row:
            lines.setdefault(row["title"], []).append(row)
    if lines:
        run.attach("slimming.png", plots.sizes_plot(lines, values["front"]))


def _part_of(figures: Figures, name: str) -> Figures:
    part: Figures = figures.get(name, {})
    if not part:
        raise FlowerError(f"the report has no part {name!r} yet; measure it first, with --only {name}")
    return part


def _model_file(output: Path, name: str) -> Path:
    return output / "files" / f"{name}.onnx"


def _measure(name: str, measure: Callable[[Run], Figures], run: Run) -> None:
    """Measure a part, record it with the command and the machine of this run, and draw the plot."""
    run.figures[name] = {**run.signature, **measure(run)}
    _draw(run)


PARTS: dict[str, Part] = {
    name: partial(_measure, name, measure)
    for name, measure in (("networks", train_networks), ("accuracy", measure_accuracy), ("times", measure_times))
}

SUITE = Suite(
    description="Train slim networks; compare what widths, blocks and the size of photos lose and save.",
    examples=EXAMPLES,
    add_arguments=add_arguments,
    parts=PARTS,
    template_values=template_values,
    interrupted="to continue, run the same command again",
)
