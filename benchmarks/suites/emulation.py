"""``python -m benchmarks emulation``: the model file on processors that are not here, against this machine."""

import argparse
import json
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from benchmarks.core.machine import describe_machine
from benchmarks.core.rendering import render
from benchmarks.environments.emulators import PROCESSORS, EmulationError, Emulators, Processor, fetch
from benchmarks.workers import worker_path
from export.verification.comparison import SAME_NETWORK
from finetune.data.dataset import SPLITS, read_split
from runtime.command_line.arguments import positive_int
from runtime.command_line.program import run_command
from runtime.files.atomic import write_text
from runtime.inference.model_file import DEFAULT_MODEL
from runtime.inference.session import Session

EXAMPLES = """\
examples:
  python -m benchmarks emulation --data data            20 test photographs, the model inside, all processors
  python -m benchmarks emulation --photos 3 --processors cortex-a72

Needs Debian 12 on x86-64; installs nothing. The first run fetches 200 MB into --cache. An emulated Cortex-A72 takes 10
seconds a photograph. Writes emulation.md and emulation.json to --report.
"""
REPOSITORY = Path(__file__).parents[2]


def build_parser() -> argparse.ArgumentParser:
    """The options of ``python -m benchmarks emulation``."""
    names = tuple(processor.name for processor in PROCESSORS)
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks emulation",
        description="Compare a model's answers on emulated processors with this machine's.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--model", type=Path, default=DEFAULT_MODEL, metavar="FILE", help="(default: the model inside)")
    parser.add_argument("--data", type=Path, default=Path("data"), metavar="DIR", help="the data set (default: data)")
    parser.add_argument("--split", choices=SPLITS, default="test", help="(default: test)")
    parser.add_argument("--photos", type=positive_int, default=20, metavar="N", help="photographs of it (default: 20)")
    parser.add_argument("--processors", nargs="+", choices=names, default=names, help="(default: all)")
    parser.add_argument("--cache", type=Path, default=Path("runs/emulators"), metavar="DIR", help="for what is fetched")
    parser.add_argument("--report", type=Path, default=Path("runs/report"), metavar="DIR", help="the report's folder")
    return parser


def main(arguments: Sequence[str]) -> int:
    """Run ``python -m benchmarks emulation`` and return its exit status: 1 if an answer differs."""
    options = build_parser().parse_args(arguments)
    return run_command("benchmarks", lambda: _emulate(options), interrupted="nothing was written")


def _emulate(options: argparse.Namespace) -> None:
    split = read_split(options.data, options.split)
    step = max(1, len(split) // options.photos)
    photos = split.paths[::step][: options.photos]
    session = Session(options.model, device="cpu")
    here = {str(path): session.logits(session.info.preprocessing(path)[np.newaxis])[0] for path in photos}
    emulators = fetch(options.cache)
    rows = []
    for processor in PROCESSORS:
        if processor.name in options.processors:
            for plain in (False, True) if processor.overflows else (False,):
                found = answers(emulators, processor, options.model, photos, plain=plain)
                rows.append(_row(processor, here, *found, plain=plain))
                print(_line(rows[-1]), flush=True)
    figures = {
        "command": shlex.join(["python", "-m", "benchmarks", *sys.argv[1:]]),
        "machine": describe_machine(),
        "photos": len(photos),
        "split": split.describe(),
        "bound": SAME_NETWORK,
        "processors": rows,
    }
    write_text(options.report / "emulation.json", json.dumps(figures, indent=1) + "\n")
    write_text(options.report / "emulation.md", render("emulation.md.jinja", **figures))
    print(options.report / "emulation.md")
    wrong = [row["name"] for row in rows if row["judged"] and not row["holds"]]
    if wrong:
        raise EmulationError(f"answers differ from this machine's on {', '.join(wrong)}")


def answers(
    emulators: Emulators, processor: Processor, model: Path, photos: Sequence[Path], *, plain: bool = False
) -> tuple[str, dict[str, np.ndarray]]:
    """The version of onnxruntime, and the logits of each photograph, float32, shape (classes,), on ``processor``.

    ``plain``: with onnxruntime's default options instead of the runtime's.

    Raises:
        EmulationError: the emulated process failed.
    """
    script = str(worker_path("emulated_classifier"))
    places = [str(path.resolve()) for path in photos]
    command = emulators.command(processor, [script, str(model.resolve()), "plain" if plain else "runtime", *places])
    environment = dict(emulators.environment(processor, REPOSITORY))
    found: dict[str, np.ndarray] = {}
    version = ""
    with (
        tempfile.TemporaryFile("w+") as errors,
        subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=errors, text=True) as process,
    ):
        assert process.stdout is not None
        with tqdm(total=len(photos), desc=processor.name, unit="img", disable=None) as bar:
            for line in process.stdout:
                answer = json.loads(line)
                version = answer.get("onnxruntime", version)
                if "photo" in answer:
                    found[str(photos[len(found)])] = np.array(answer["logits"], np.float32)
                    bar.update()
        process.wait()
        errors.seek(0)
        said = errors.read().strip().splitlines()
    if process.returncode or len(found) != len(photos):
        raise EmulationError(f"{processor.name}: the emulated process failed ({said[-1] if said else 'no message'})")
    return version, found


def _row(
    processor: Processor, here: dict[str, np.ndarray], version: str, there: dict[str, np.ndarray], *, plain: bool
) -> dict[str, Any]:
    native, emulated = (np.stack([logits[photo] for photo in here]) for logits in (here, there))
    agreed = int((native.argmax(axis=1) == emulated.argmax(axis=1)).sum())
    worst = float(np.abs(native - emulated).max() / native.std())
    return {
        "name": processor.name,
        "description": processor.description + (", onnxruntime as it comes" if plain else ""),
        "judged": not plain,
        "onnxruntime": version,
        "photos": len(here),
        "same_top1": agreed,
        "worst_difference": worst,
        "holds": agreed == len(here) and worst <= SAME_NETWORK,
    }


def _line(row: dict[str, Any]) -> str:
    return (
        f"{row['name']} ({row['description']}): same top-1 on {row['same_top1']} of {row['photos']}, logits differ by "
        f"at most {100 * row['worst_difference']:.2g} % of their standard deviation"
    )
