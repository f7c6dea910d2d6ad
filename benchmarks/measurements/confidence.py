"""How well the probabilities and the cuts of a model fit, on photographs of flowers that it knows."""

from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.core.intervals import wilson
from export.confidence.cuts import named
from export.confidence.temperature import BINS, expected_calibration_error
from export.verification.evaluation import run_split
from finetune.data.split import Split
from runtime.answers.answer import AnswerRule
from runtime.inference.session import Outputs, Session


def measure_confidence(model: Path, split: Split, threads: int) -> dict[str, Any]:
    """Measure the probabilities that the runtime shows, which are the softmax of logits divided by the temperature.

    Args:
        model: a model file with a temperature and cuts.
        split: photographs of flowers.
        threads: of the network.

    Returns:
        Shares from 0 to 1: expected calibration error (C. Guo et al., "On calibration of modern neural networks", ICML
        2017), mean probability, the share of photographs that get a name, accuracy with and without a name.
    """
    session = Session(model, device="cpu", threads=threads)
    info, rule = session.info, AnswerRule(session.info)
    outputs = run_split({"file": session}, split, info.preprocessing)["file"]
    probabilities = rule.probabilities(outputs.logits)
    passing = named(outputs, info.temperature, rule.cuts)
    right = probabilities.argmax(axis=1) == split.labels
    return {
        "split": split.describe(),
        "temperature": info.temperature,
        "threshold": info.threshold,
        "familiarity_threshold": info.familiarity_threshold if session.has_familiarity else None,
        "bins": BINS,
        "calibration_error": expected_calibration_error(probabilities, split.labels),
        "mean_probability": float(probabilities.max(axis=1).mean()),
        "top1": float(right.mean()),
        "passing": float(passing.mean()),
        "passing_interval": wilson(int(passing.sum()), len(passing)),
        "right_of_passing": float(right[passing].mean()) if passing.any() else None,
        "right_of_unsure": float(right[~passing].mean()) if (~passing).any() else None,
    }


def name_shares(session: Session, outputs: Outputs, labels: np.ndarray) -> dict[str, Any]:
    """Return how many photographs get a name with the cuts of the model, and how many of these names are right.

    Args:
        session: the model.
        outputs: of the photographs.
        labels: int, shape (photographs,).

    Returns:
        Shares from 0 to 1 with their intervals; None for the second if there are no names.
    """
    right = outputs.logits.argmax(axis=1) == labels
    has_name = named(outputs, session.info.temperature, session.info.cuts)
    names, right_names = int(has_name.sum()), int((has_name & right).sum())
    return {
        "named": names / len(labels),
        "named_interval": wilson(names, len(labels)),
        "right_of_named": right_names / names if names else None,
        "right_of_named_interval": wilson(right_names, names) if names else None,
    }
