"""Photographs without flowers, of other flowers, and of known flowers by other people."""

import argparse
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.core import plots
from benchmarks.core.arguments import add_limit_argument
from benchmarks.core.harness import Figures, Run, Suite, warn
from benchmarks.core.photo_sheet import draw_photo_sheet
from benchmarks.measurements.unfamiliar.mistakes import LIMIT, find_mistakes
from benchmarks.measurements.unfamiliar.photo_sets import Kind, PhotoSet, read_photo_sets
from benchmarks.measurements.unfamiliar.risk import risk_curves
from benchmarks.measurements.unfamiliar.scores import checkpoint_scores, model_file_scores, score_figures
from benchmarks.measurements.unfamiliar.verdict_shares import (
    NamingRule,
    naming_rules,
    pooled_errors,
    verdict_shares,
    wrong_answers,
)
from export.confidence.temperature import BINS, expected_calibration_error
from export.stages.evidence import changed_photographs_of_model
from export.stages.load import training_splits
from export.verification.evaluation import run_split
from finetune.data.dataset import read_split
from finetune.data.split import Split
from runtime.answers.answer import AnswerRule
from runtime.command_line.arguments import add_data_argument, add_model_argument, add_threads_argument
from runtime.errors import FlowerError
from runtime.files.digest import file_digest
from runtime.inference.model_file import ModelInfo
from runtime.inference.session import Outputs, Session
from runtime.inference.shipped_models import DEFAULT_MODEL

EXAMPLES = """\
examples:
  {command} --data data --without-flowers photos/no-flower
  {command} --data data --without-flowers photos/no-flower --other-flowers photos/other-flowers \\
      --same-flowers photos/same-flowers --checkpoint runs/flowers/best.pt

Writes unfamiliar.md, unfamiliar.json, unfamiliar.html, a plot, and a sheet of wrongly named photographs to --report.
"""
TITLES: dict[Kind, str] = {
    "test": "test photographs",
    "same": "known flowers",
    "other": "other flowers",
    "without": "no flowers",
}
"""Of the kinds of photographs, in the tables."""
RISK_PLOT, MISTAKES_SHEET = "unfamiliar-risk.png", "unfamiliar-mistakes.jpg"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this suite."""
    add_model_argument(parser, DEFAULT_MODEL)
    add_data_argument(parser)
    parser.add_argument("--without-flowers", type=Path, metavar="DIR", help="photographs that show no flower")
    parser.add_argument(
        "--other-flowers", type=Path, metavar="DIR", help="photographs of flowers of no class of the model"
    )
    parser.add_argument(
        "--same-flowers",
        type=Path,
        metavar="DIR",
        help="photographs of flowers that the model knows, in subfolders that are named after its classes",
    )
    parser.add_argument(
        "--checkpoint",
        type=Path,
        metavar="FILE",
        help="that the model file was made from, for the scores that need features (default: none)",
    )
    parser.add_argument(
        "--no-sheet", action="store_true", help="write no sheet of wrongly named photographs, for example to publish"
    )
    add_limit_argument(parser, photographs="photographs of the test split and of each folder")
    add_threads_argument(parser)


def measure(run: Run) -> Figures:
    """Run the model file on all sets; compare rules and scores.

    Raises:
        FlowerError: no folder is given, one has no photographs, or the model does not fit the data set.
    """
    options = run.options
    session = Session(options.model, device="cpu", threads=options.threads)
    info = session.info
    sets = _read_sets(options, info)
    outputs = [_run(session, photos.photographs) for photos in sets]
    rules, chosen_on = _rules(session, options, outputs[0])
    scores, fitted_on = model_file_scores(outputs, info.temperature), None
    if options.checkpoint:
        more, fitted_on = checkpoint_scores(options.checkpoint, options.data, info, sets)
        scores += more
    errors = {rule.name: pooled_errors(sets, outputs, info.temperature, rule.cuts) for rule in rules}
    _attach_risk_plot(run, sets, outputs, info.temperature, errors)
    mistakes = find_mistakes(sets, outputs, info.temperature, rules[0].cuts)
    shown = mistakes[: 0 if options.no_sheet else LIMIT]
    if shown:
        run.attach(MISTAKES_SHEET, draw_photo_sheet([mistake.thumbnail() for mistake in shown]))
    probabilities = AnswerRule(info).probabilities(outputs[0].logits)
    return {
        "model": {"file": options.model.name, "sha256": file_digest(options.model)},
        "has_familiarity": session.has_familiarity,
        "test": sets[0].photographs.describe(),
        "expected": info.familiarity,
        "bins": BINS,
        "calibration_error": expected_calibration_error(probabilities, sets[0].photographs.labels),
        "chosen_on": chosen_on,
        "trained_on_validation": _was_trained_on_validation(info),
        "rules": [
            {
                "name": rule.name,
                "probability": rule.cuts.probability,
                "familiarity": rule.cuts.familiarity,
                "pooled": errors[rule.name],
                "rows": [
                    {
                        "kind": photos.kind,
                        "name": photos.name,
                        **verdict_shares(photos, each, info.temperature, rule.cuts),
                    }
                    for photos, each in zip(sets, outputs, strict=True)
                ],
            }
            for rule in rules
        ],
        "scores": [score_figures(score, sets) for score in scores],
        "fitted_on": fitted_on,
        "mistakes": {"all": len(mistakes), **Counter(mistake.photos.kind for mistake in mistakes)},
        "mistakes_shown": len(shown),
    }


def _read_sets(options: argparse.Namespace, info: ModelInfo) -> list[PhotoSet]:
    folders = {"same": options.same_flowers, "other": options.other_flowers, "without": options.without_flowers}
    if not any(folders.values()):
        raise FlowerError("there is nothing to measure; give --without-flowers, --other-flowers or --same-flowers")
    test = read_split(options.data, "test")
    if info.classes != test.classes:
        raise FlowerError(f"{options.model}: its classes differ from those of the data set; give the data it is for")
    warn(changed_photographs_of_model(options.data, info, names=("val", "test")))
    return read_photo_sets(test, **folders, limit=options.limit)


def _run(session: Session, split: Split) -> Outputs:
    return run_split({"file": session}, split, session.info.preprocessing)["file"]


def _was_trained_on_validation(info: ModelInfo) -> bool:
    return "val" in training_splits(info.provenance)


def _rules(session: Session, options: argparse.Namespace, on_test: Outputs) -> tuple[list[NamingRule], str | None]:
    """Return the rules to compare, and the photographs on which the cuts of the comparison are chosen.

    These are validation photographs, unless the network was trained on them: then all have high probabilities.
    """
    if not session.has_familiarity:
        return naming_rules(session.info, on_test), None
    if _was_trained_on_validation(session.info):
        return naming_rules(session.info, on_test), "test"
    validation = read_split(options.data, "val").head(options.limit)
    return naming_rules(session.info, _run(session, validation)), "val"


def _attach_risk_plot(
    run: Run, sets: Sequence[PhotoSet], outputs: Sequence[Outputs], temperature: float, errors: dict[str, Any]
) -> None:
    curves = risk_curves(outputs, [photos.known for photos in sets], wrong_answers(sets, outputs), temperature)
    marks = [
        (name, each["answered"], each["wrong"])
        for name, each in errors.items()
        if each["wrong"] is not None and "alone" not in name
    ]
    run.attach(RISK_PLOT, plots.risk_plot({curve.name: (curve.coverage, curve.risk) for curve in curves}, marks))


def template_values(_: Figures) -> Mapping[str, Any]:
    """Return the titles of the kinds and the names of the pictures."""
    return {"titles": TITLES, "risk_plot": RISK_PLOT, "mistakes_sheet": MISTAKES_SHEET}


SUITE = Suite(
    description="Measure what a model says of photographs that it may not know.",
    examples=EXAMPLES,
    add_arguments=add_arguments,
    measure=measure,
    template_values=template_values,
)
