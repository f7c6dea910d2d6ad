"""Tables of answers for archives: photos per second, memory, crashes, and what a million photos cost."""

import argparse
import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from tqdm import tqdm

from benchmarks.core.arguments import add_models_argument, add_rounds_argument, evenly_spaced
from benchmarks.core.harness import Figures, Run, Suite
from benchmarks.core.plots import scaling_plot
from benchmarks.core.process_timing import run_worker
from benchmarks.core.timing import quartiles
from benchmarks.measurements.archive.cost_model import CORES, PHOTOS, cost_rows
from benchmarks.measurements.archive.crash import (
    KILLED_AT,
    kill_and_resume,
    make_links,
    memory_by_quarter,
    run_watched,
    table_digest,
)
from benchmarks.measurements.archive.sheet_quality import sheet_quality
from finetune.data.dataset import read_split
from runtime.command_line.arguments import add_data_argument, positive_int
from runtime.errors import FlowerError
from runtime.inference.shipped_models import SHIPPED_MODELS, model_path

EXAMPLES = """\
examples:
  {command} --data data
  {command} --data data --only crash --photos 100000

Run nothing else on the machine meanwhile.
"""
RATE_PHOTOS = 800
"""Photos for one measurement of photos per second."""
STEP_PHOTOS = 60
"""Photos whose steps are timed."""
MAIN_PROCESS_PHOTOS = 20_000
"""Names for the time of the main process."""
CAMERA_SIZE = (4000, 3000)
"""Pixels of the enlarged copies that stand for photos of a phone, 12 megapixels."""
SHAPES = ((1, 1), (1, 2), (2, 1))
"""Processes and threads of each that are compared."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this suite."""
    add_data_argument(parser)
    add_models_argument(parser)
    add_rounds_argument(parser, 3, note=" of the part rates")
    parser.add_argument(
        "--photos", type=positive_int, default=100_000, metavar="N", help="names for the part crash (default: 100,000)"
    )
    parser.add_argument(
        "--crash-model",
        type=model_path,
        default=SHIPPED_MODELS["slim"],
        metavar="FILE",
        help="model file for the part crash (default: slim)",
    )
    parser.add_argument(
        "--work",
        type=Path,
        default=Path("runs/scale"),
        metavar="DIR",
        help="for links and tables (default: %(default)s)",
    )


def measure_rates(run: Run) -> None:
    """Photos per second with one and two processes, and with one process of two threads, in turns."""
    options = run.options
    photos = evenly_spaced(read_split(options.data, "test").paths, RATE_PHOTOS)
    rates: dict[tuple[str, int, int], list[float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        names = Path(folder) / "names.txt"
        names.write_text("".join(f"{path}\n" for path in photos))
        for _ in tqdm(range(options.rounds), desc="photos per second", unit="round", disable=None):
            for model in options.models:
                for processes, threads in SHAPES:
                    arguments = (str(model), str(processes), str(threads), str(names))
                    output = run_worker(f"{processes} × {threads}", "archive_throughput", *arguments)
                    rates.setdefault((model.name, processes, threads), []).append(
                        json.loads(output)["photos_per_second"]
                    )
    rows = [
        {"model": model, "processes": processes, "threads": threads, **quartiles(np.array(values))}
        for (model, processes, threads), values in rates.items()
    ]
    run.figures["rates"] = {**run.signature, "photos": len(photos), "rounds": options.rounds, "rows": rows}


def measure_steps(run: Run) -> None:
    """The steps from a photo to its row, for small photos and for those of a phone, and the main process's work."""
    options = run.options
    photos = evenly_spaced(read_split(options.data, "test").paths, STEP_PHOTOS)
    rows, main_ms = [], []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_links(photos, MAIN_PROCESS_PHOTOS, folder / "links")
        kinds = {"of the data set": folder / "small", "of a phone": folder / "phone"}
        for path in kinds.values():
            path.mkdir()
        for photo in photos:
            shutil.copy(photo, kinds["of the data set"])
            with Image.open(photo) as image:
                image.resize(CAMERA_SIZE, Image.Resampling.BICUBIC).save(kinds["of a phone"] / photo.name, quality=92)
        for model in tqdm(options.models, desc="steps", unit="model", disable=None):
            for kind, path in kinds.items():
                measured = json.loads(
                    run_worker(f"steps of {model.name}", "archive_steps", str(model), str(path), str(folder / "links"))
                )
                main_ms.append(measured["main_ms"])
                rows.append(
                    {
                        "model": model.name,
                        "photos": kind,
                        "bytes": float(np.mean([file.stat().st_size for file in path.iterdir()])),
                        **{step: quartiles(np.array(values)) for step, values in measured["steps"].items()},
                    }
                )
    run.figures["steps"] = {
        **run.signature,
        "rows": rows,
        "photos": len(photos),
        "main_ms": quartiles(np.array(main_ms)),
    }


def measure_crash(run: Run) -> None:
    """Answer many names undisturbed, with kills in between, and with Ray; compare the tables and the memory."""
    options = run.options
    folder, count = options.work / f"links-{options.photos}", options.photos
    photos = [path for split in ("train", "val", "test") for path in read_split(options.data, split).paths]
    make_links(photos, count, folder)
    command = [str(folder), "--model", str(options.crash_model)]
    rows: list[dict[str, Any]] = []
    tables = {name: options.work / f"{name}.parquet" for name in ("undisturbed", "killed", "ray")}
    for name, table in tables.items():
        shutil.rmtree(table, ignore_errors=True)
        arguments = [*command, "--output", str(table)]
        if name == "killed":
            runs = kill_and_resume(arguments, table, count)
        elif name == "ray":
            runs = [run_watched([*arguments, "--engine", "ray"], table, count, kill_worker_at=0.5)]
        else:
            runs = [run_watched(arguments, table, count)]
        rows.append(
            {
                "name": name,
                "seconds": sum(each["seconds"] for each in runs),
                "runs": len(runs),
                "sha256": table_digest(table),
                "bytes": sum(part.stat().st_size for part in table.iterdir()),
                "said": runs[-1]["said"],
                "memory": memory_by_quarter(runs[-1]["memory"]) if len(runs) == 1 else [],
            }
        )
        print(f"{name}: {rows[-1]['seconds']:.0f} s, SHA-256 {rows[-1]['sha256']}", flush=True)
    figures = {"photos": count, "different": min(len(photos), count), "killed_at": KILLED_AT, "rows": rows}
    run.figures["crash"] = {**run.signature, **figures}


def measure_sheet(run: Run) -> None:
    """Moved labels and changed copies that the page about an archive finds."""
    run.figures["sheet"] = {**run.signature, **sheet_quality(run.options.data)}


def model_values(figures: Figures) -> dict[str, Any]:
    """Return the rates and costs that the model gives for the measured points."""
    if "rates" not in figures or "steps" not in figures:
        return {"costs": []}
    rates = {(row["model"], row["processes"], row["threads"]): row for row in figures["rates"]["rows"]}
    names = dict.fromkeys(row["model"] for row in figures["rates"]["rows"])
    models = [{"name": name, "one": rates[name, 1, 1], "two": rates[name, 2, 1]} for name in names]
    return {"costs": cost_rows(models, figures["steps"]["main_ms"]["median"]), "cores": CORES, "many": PHOTOS}


def draw_plot(run: Run) -> None:
    """Draw the measured rates and the model through them."""
    if values := model_values(run.figures)["costs"]:
        run.attach("scale.png", scaling_plot(values, run.figures["rates"]["rows"]))


def check(figures: Figures) -> None:
    """Raise `FlowerError` if a disturbed run made another table."""
    tables = {row["name"]: row["sha256"] for row in figures.get("crash", {}).get("rows", ())}
    if len(set(tables.values())) > 1:
        raise FlowerError(f"the tables differ: {', '.join(tables)}")


def _with_plot(part: Any) -> Any:
    def measure(run: Run) -> None:
        part(run)
        draw_plot(run)

    return measure


SUITE = Suite(
    description="Measure tables of answers for archives: rates, steps, crashes, memory, and the page about them.",
    examples=EXAMPLES,
    add_arguments=add_arguments,
    parts={
        "rates": _with_plot(measure_rates),
        "steps": _with_plot(measure_steps),
        "crash": measure_crash,
        "sheet": measure_sheet,
    },
    template_values=model_values,
    check=check,
    interrupted="the parts that were complete are in the report",
)
