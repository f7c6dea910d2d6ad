"""The same network in several engines, each with its own form of it, and the time of each node in onnxruntime."""

import argparse
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from benchmarks.core.arguments import add_forms_arguments, add_rounds_argument
from benchmarks.core.harness import Figures, Run, Suite
from benchmarks.core.intervals import wilson
from benchmarks.core.machine import describe_machine
from benchmarks.core.timing import quartiles, rotating_rounds, speedup
from benchmarks.engines.model_file_engines import ONNXRUNTIME
from benchmarks.measurements.engines.contestants import RUNS, Absent, Contestant, of_checkpoint, of_model_files
from benchmarks.measurements.engines.int8_peak import SECONDS, PeakProgram, compile_program
from benchmarks.measurements.engines.network_macs import count_model_macs
from benchmarks.measurements.engines.node_times import NodeTime, measure_nodes
from finetune.data.dataset import read_split
from finetune.data.split import Split
from finetune.network.checkpoint import load_checkpoint
from runtime.command_line.arguments import add_data_argument, add_threads_argument, positive_int
from runtime.errors import FlowerError
from runtime.inference.session import Session
from runtime.inference.shipped_models import DEFAULT_MODEL, model_path

EXAMPLES = """\
examples:
  {command} --data data
  {command} --checkpoint runs/flowers/best.pt --data data
  {command} --models runs/flowers/flowers-resnet50-fp32.onnx runs/flowers/flowers-resnet50-int8.onnx --data data

onnxruntime and OpenVINO run the model files. ncnn, LiteRT, ExecuTorch and torch.compile run forms that they make from
--checkpoint. All engines: pip install 'flower-edge[engines]'. The report says which are not installed. torch.compile
needs a C++ compiler, and the peak of the processor a C compiler. Run nothing else on the machine meanwhile. Each engine
and form runs in a process of its own, one after another in each round.
"""
SPLIT = "test"
PEAK = "peak"
"""Takes its turn among the contestants, because the clock of a processor changes, too."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this suite."""
    parser.add_argument(
        "--models", type=model_path, nargs="+", default=[DEFAULT_MODEL], metavar="FILE",
        help="the last one is what all are compared with (default: the model inside)",
    )  # fmt: skip
    parser.add_argument("--checkpoint", type=Path, metavar="FILE", help="for the engines with forms of their own")
    add_data_argument(parser)
    parser.add_argument(
        "--accuracy", type=positive_int, default=204, metavar="N",
        help="test photographs for the accuracy, at equal distances (default: %(default)s)",
    )  # fmt: skip
    add_forms_arguments(parser)
    add_rounds_argument(parser, 9)
    add_threads_argument(parser)


def measure(run: Run) -> Figures:
    """Measure accuracy and time of every engine, the processor's peak, and the nodes of the last model file.

    Raises:
        FlowerError: a file cannot be read, its classes are not those of the data, or onnxruntime failed.
    """
    options = run.options
    split = read_split(options.data, SPLIT).head(options.accuracy)
    contestants, absent = _contestants(options, split)
    hits, failed = _hits(contestants, split, options)
    contestants = [each for each in contestants if each in hits]
    reference = next(each for each in contestants if _is_reference(each, options))
    with tempfile.TemporaryDirectory() as folder:
        peak, reason = _peak_program(Path(folder))
        times, peaks = _times(contestants, peak, options)
    figures = _node_figures(options)
    rows = []
    for each in contestants:
        right = hits[each]
        rows.append(
            {
                **each.describe(),
                "top1": float(right.mean()),
                "top1_interval": wilson(int(right.sum()), len(right)),
                **_time_figures(times[each], times[reference]),
                **(_share_of_peak(each.path, times[each], peaks) if each.path.is_file() else {}),
            }
        )
    return {
        "threads": options.threads,
        "rounds": options.rounds,
        "runs": RUNS,
        "photographs": split.describe(),
        "reference": reference.path.name,
        "engines": rows,
        "absent": [asdict(each) for each in (*absent, *failed)],
        "peak": _peak_figures(peak, reason, peaks, options.threads),
        **figures,
    }


def _contestants(options: argparse.Namespace, split: Split) -> tuple[list[Contestant], list[Absent]]:
    """Return who takes part and who does not. Forms are made."""
    files = [(path, Session(path, device="cpu", threads=1).info) for path in options.models]
    found: list[Contestant | Absent] = list(of_model_files(files))
    classes = {path: info.classes for path, info in files}
    if options.checkpoint is not None:
        checkpoint = load_checkpoint(options.checkpoint)
        classes[options.checkpoint] = checkpoint.classes
        if checkpoint.preprocessing.size != files[-1][1].preprocessing.size:
            raise FlowerError(f"{options.checkpoint}: takes photos of another size than {files[-1][0]}; give its own")
    for path, names in classes.items():
        if names != split.classes:
            raise FlowerError(f"{path}: has other classes than the data; give the data that it was trained on")
    if options.checkpoint is not None:
        found += of_checkpoint(options.checkpoint, checkpoint, options.data, options.calibration, options.forms)
    return [x for x in found if isinstance(x, Contestant)], [x for x in found if isinstance(x, Absent)]


def _is_reference(contestant: Contestant, options: argparse.Namespace) -> bool:
    return contestant.engine is ONNXRUNTIME and contestant.path == options.models[-1]


def _hits(
    contestants: Sequence[Contestant], split: Split, options: argparse.Namespace
) -> tuple[dict[Contestant, np.ndarray], list[Absent]]:
    """Return where each contestant is right: bool, shape (photographs,). One that fails is absent from then on."""
    hits, failed = {}, []
    for each in tqdm(contestants, desc="accuracy", unit="engine", disable=None):
        try:
            hits[each] = each.answers(options.threads, options.data, SPLIT, len(split)) == split.labels
        except FlowerError as error:
            if _is_reference(each, options):
                raise
            failed.append(Absent(each.engine.name, each.words, str(error)))
    return hits, failed


def _times(
    contestants: Sequence[Contestant], peak: PeakProgram | None, options: argparse.Namespace
) -> tuple[dict[Contestant, np.ndarray], dict[int, np.ndarray]]:
    """Return the milliseconds of each contestant, and threads → peak per second; float, shape (rounds,) each."""
    turns: list[Contestant | str] = [*contestants, *([PEAK] if peak else [])]
    times: dict[Contestant, list[float]] = defaultdict(list)
    peaks: dict[int, list[float]] = defaultdict(list)
    order = rotating_rounds(turns, options.rounds)
    for _, turn in tqdm(order, total=options.rounds, desc="engines", unit="round", disable=None):
        for each in turn:
            if isinstance(each, Contestant):
                times[each].append(each.milliseconds(options.threads))
            elif peak:
                for threads in {1, options.threads}:
                    peaks[threads].append(peak.measure(threads))
    return (
        {each: np.array(values) for each, values in times.items()},
        {threads: np.array(values) for threads, values in peaks.items()},
    )


def _time_figures(milliseconds: np.ndarray, reference: np.ndarray) -> Figures:
    return {"ms": quartiles(milliseconds), "ratio": speedup(milliseconds, reference)}


def _peak_program(folder: Path) -> tuple[PeakProgram | None, str]:
    """Return the program, or None and the reason."""
    try:
        return compile_program(folder, describe_machine()["features"]), ""
    except FlowerError as error:
        return None, str(error)


def _peak_figures(peak: PeakProgram | None, reason: str, peaks: dict[int, np.ndarray], threads: int) -> Figures:
    if peak is None:
        return {"reason": reason}
    return {
        "instruction": peak.instruction.words,
        "seconds": SECONDS,
        "macs_per_second": {
            "one_thread": quartiles(peaks[1]),
            "all_threads": quartiles(peaks[threads]),
        },
    }


def _share_of_peak(model: Path, milliseconds: np.ndarray, peaks: dict[int, np.ndarray]) -> Figures:
    """Return the work of a model file, and its speed as a share of the peak of the same round."""
    macs = count_model_macs(model)
    shares = {threads: quartiles(1000 * macs / milliseconds / values) for threads, values in peaks.items()}
    return {"macs": macs, "share_of_peak": shares[max(shares)] if shares else None}


def _node_figures(options: argparse.Namespace) -> Figures:
    """Return the time of each node of the last model file."""
    profiled = options.models[-1]
    size = Session(profiled, device="cpu", threads=1).info.preprocessing.size
    pixels = np.random.default_rng(0).integers(0, 256, (1, size, size, 3), dtype=np.uint8)
    nodes = measure_nodes(profiled, pixels, options.threads)
    return {
        "profiled": profiled.name,
        "nodes_ms": sum(node.milliseconds for node in nodes),
        "operators": _sum_by_operator(nodes),
        "nodes": [asdict(node) for node in nodes],
    }


def _sum_by_operator(nodes: Sequence[NodeTime]) -> list[dict[str, Any]]:
    """Return number and total milliseconds of the nodes of each operator, the slowest operator first."""
    times: dict[str, list[float]] = defaultdict(list)
    for node in nodes:
        times[node.operator].append(node.milliseconds)
    rows = [{"operator": name, "nodes": len(each), "milliseconds": sum(each)} for name, each in times.items()]
    return sorted(rows, key=lambda row: -row["milliseconds"])


SUITE = Suite(
    description="Compare onnxruntime with other engines on the same network, and profile it node by node.",
    examples=EXAMPLES,
    add_arguments=add_arguments,
    measure=measure,
)
