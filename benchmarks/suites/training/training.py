"""The training recipes: accuracy over seeds, ablations, test resolutions and training speed."""

import argparse
import shlex
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.core.arguments import add_rounds_argument
from benchmarks.core.comparisons import compare_over_seeds, holm
from benchmarks.core.harness import Figures, Part, Run, Suite
from benchmarks.measurements.training.experiments import (
    ABLATION_EPOCHS,
    ABLATION_FINAL_SIZE,
    ABLATION_SIZE,
    ABLATIONS,
    FAST,
    REFERENCE,
    SEED_RUNS,
    SEEDS,
    Experiment,
    run_experiment,
)
from benchmarks.measurements.training.networks import (
    checkpoint_figures,
    checkpoint_hits,
    with_new_batchnorm_statistics,
    without_weight_average,
)
from benchmarks.measurements.training.speed import measure_training_speed
from finetune.data.dataset import read_split
from finetune.data.download import ensure_weights
from finetune.network.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from finetune.recipe import RECIPES
from finetune.run.output_folder import BEST_CHECKPOINT, LAST_STATE
from finetune.training.model_soup import average_checkpoints
from runtime.command_line.arguments import add_data_argument

EXAMPLES = """\
examples:
  {command} --data data --weights resnet50.pth
  {command} --data data --weights resnet50.pth --only seeds speed

Training takes hours on a CPU. A command that was stopped continues when it is run again. Run nothing else on the
machine while the speed is measured.
"""
SCHEDULE = [
    *("--epochs", str(ABLATION_EPOCHS), "--validate-every", str(ABLATION_EPOCHS)),
    *("--size", str(ABLATION_SIZE), "--final-size", str(ABLATION_FINAL_SIZE)),
]
"""Of the ablations. The last epoch is measured: choosing the best one would favour runs whose accuracy fluctuates."""
TIMED_RECIPES = ("default", "fast")
RESOLUTIONS = tuple((size, crop_pct) for size in (176, 192, 208, 224, 240, 256) for crop_pct in (0.875, 1.0))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this suite."""
    add_data_argument(parser)
    parser.add_argument("--weights", type=Path, metavar="FILE", help="ImageNet weights (default: torchvision's)")
    parser.add_argument("--experiments", nargs="+", metavar="NAME", help="ablations to run now (default: all)")
    add_rounds_argument(parser, 5, note=" of the part speed")
    parser.add_argument(
        "--output",
        type=Path,
        default=Path("runs/training"),
        metavar="DIR",
        help="folder for the training runs (default: %(default)s)",
    )


def measure_seeds(run: Run) -> None:
    """Train the default recipe with each seed; measure the runs and the mean of their weights."""
    options = run.options
    paths = [run_experiment(experiment, options.output, _common_options(options)) for experiment in SEED_RUNS]
    soup = options.output / "soup.pt"
    save_checkpoint(average_checkpoints(paths), soup)
    names = [experiment.change for experiment in SEED_RUNS]
    splits = (read_split(options.data, "val"), read_split(options.data, "test"))
    run.figures["seeds"] = [
        checkpoint_figures(name, path, splits) for name, path in zip([*names, "soup"], [*paths, soup], strict=True)
    ]


def measure_fast_recipe(run: Run) -> None:
    """Train and measure the fast recipe."""
    options = run.options
    path = run_experiment(FAST, options.output, _common_options(options))
    splits = (read_split(options.data, "val"), read_split(options.data, "test"))
    run.figures["fast"] = checkpoint_figures(FAST.change, path, splits)


def measure_ablations(run: Run) -> None:
    """Train the default recipe on a short schedule with one thing changed at a time; saves after each run."""
    options = run.options
    entries = run.figures.setdefault("ablation", {})
    common = (*_common_options(options), "--cache", str(options.output / "cache"), *SCHEDULE)
    val = read_split(options.data, "val")
    for name in [name for name, entry in entries.items() if not _is_current(entry)]:
        del entries[name]
    for experiment in ABLATIONS:
        if options.experiments and experiment.name not in (*options.experiments, REFERENCE.name):
            continue
        for seed in SEEDS:
            if str(seed) in entries.get(experiment.name, {}).get("hits", {}):
                continue
            for name, change, checkpoint in _train_ablation(experiment, seed, options, common):
                entry = entries.setdefault(
                    name,
                    {"change": change, "options": shlex.join(experiment.options), "schedule": SCHEDULE, "hits": {}},
                )
                digits = ("1" if hit else "0" for hit in checkpoint_hits(checkpoint, val))
                entry["hits"][str(seed)] = "".join(digits)
            _sign(run, "ablation")
            run.save()


def measure_resolutions(run: Run) -> None:
    """Measure the checkpoint of the first seed at other input sizes."""
    checkpoint = load_checkpoint(run.options.output / SEED_RUNS[0].name / BEST_CHECKPOINT)
    val = read_split(run.options.data, "val")
    run.figures["resolution"] = [
        {"size": size, "crop_pct": crop_pct, "top1": float(checkpoint_hits(checkpoint, val, size, crop_pct).mean())}
        for size, crop_pct in RESOLUTIONS
    ]


def measure_speed(run: Run) -> None:
    """Measure training speed. Each processor has its own figures, because bfloat16 helps some much more than others."""
    options = run.options
    train = read_split(options.data, "train")
    weights = options.weights or ensure_weights()
    recipes = {name: measure_training_speed(train, weights, RECIPES[name], options.rounds) for name in TIMED_RECIPES}
    by_processor = run.figures.setdefault("speed", {})
    by_processor[run.signature["machine"]["processor"]] = {**run.signature, "recipes": recipes}


def _common_options(options: argparse.Namespace) -> tuple[str, ...]:
    """Return the options of ``python -m finetune`` that all runs share."""
    # Without --weights, training itself downloads torchvision's.
    return ("--data", str(options.data), *(("--weights", str(options.weights)) if options.weights else ()))


def _train_ablation(
    experiment: Experiment, seed: int, options: argparse.Namespace, common: tuple[str, ...]
) -> Iterator[tuple[str, str, Checkpoint]]:
    """Yield name, change and network of an experiment; for the reference, two variants of its network as well."""
    is_reference = experiment is REFERENCE
    path = run_experiment(experiment.with_seed(seed), options.output / "ablation", common, keep_state=is_reference)
    checkpoint = load_checkpoint(path)
    yield experiment.name, experiment.change, checkpoint
    if is_reference:
        yield (
            "batchnorm-anew",
            "the same, BatchNorm statistics recomputed without augmentation",
            with_new_batchnorm_statistics(checkpoint, read_split(options.data, "train")),
        )
        yield (
            "no-average",
            "the same, without the average of the weights",
            without_weight_average(checkpoint, path.with_name(LAST_STATE)),
        )


def _is_current(entry: Mapping[str, Any]) -> bool:
    """Return whether an entry of a report, perhaps of an earlier version, has today's schedule and options."""
    options = {shlex.join(experiment.options) for experiment in ABLATIONS}
    return list(entry.get("schedule", ())) == SCHEDULE and entry.get("options") in options


def template_values(figures: Figures) -> Mapping[str, Any]:
    """Return the rows of the table of ablations, each compared with the reference on the same photographs and seeds."""
    entries = {name: entry for name, entry in figures.get("ablation", {}).items() if _is_current(entry)}
    seeds = list(entries.get(REFERENCE.name, {}).get("hits", {}))
    hits = {
        name: np.array([[digit == "1" for digit in entry["hits"][seed]] for seed in seeds])
        for name, entry in entries.items()
        if len(seeds) > 1 and set(seeds) <= set(entry["hits"])
    }
    others = {name: right for name, right in hits.items() if name != REFERENCE.name}
    compared = {name: compare_over_seeds(right, hits[REFERENCE.name]) for name, right in others.items()}
    corrected = dict(zip(compared, holm([p_value for _, _, p_value in compared.values()]), strict=True))
    rows = [
        {
            **entries[name],
            "is_reference": name == REFERENCE.name,
            "top1": float(right.mean()),
            "of_seeds": right.mean(axis=1).tolist(),
            **({"comparison": compared[name], "p_value": corrected[name]} if name in compared else {}),
        }
        for name, right in hits.items()
    ]
    return {
        "ablation_rows": sorted(rows, key=lambda row: -row["top1"]),
        "ablation_seeds": len(seeds),
        "ablation_photographs": next(iter(hits.values())).shape[1] if hits else 0,
        "epochs": ABLATION_EPOCHS,
        "crop_sizes": (ABLATION_SIZE, ABLATION_FINAL_SIZE),
    }


def _sign(run: Run, part: str) -> None:
    """Record the command and the machine of this run for a part."""
    run.figures.setdefault("signatures", {})[part] = run.signature


def _measure_and_sign(part: str, measure: Part, run: Run) -> None:
    measure(run)
    _sign(run, part)


PARTS: dict[str, Part] = {
    "speed": partial(_measure_and_sign, "speed", measure_speed),
    "seeds": partial(_measure_and_sign, "seeds", measure_seeds),
    "fast": partial(_measure_and_sign, "fast", measure_fast_recipe),
    "resolution": partial(_measure_and_sign, "resolution", measure_resolutions),
    # Signs after each experiment; nothing is signed if all were measured before.
    "ablation": measure_ablations,
}

SUITE = Suite(
    description="Train the recipe with several seeds and with one thing changed at a time; measure accuracy and speed.",
    examples=EXAMPLES,
    add_arguments=add_arguments,
    parts=PARTS,
    template_values=template_values,
    interrupted="to continue, run the same command again",
)
