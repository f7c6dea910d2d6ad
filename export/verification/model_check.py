"""Checking a finished model file: digest, metadata, calibration photographs and accuracy."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from export.files.manifest import NAME, read_manifest
from export.verification.comparison import Comparison
from export.verification.evaluation import named_figures, run_split, summary
from finetune.data.dataset import SPLITS, is_dataset, read_split
from finetune.data.split import Split
from runtime.errors import ModelError
from runtime.files.digest import file_digest
from runtime.inference.model_file import ModelInfo
from runtime.inference.session import Session

TOLERANCE = 0.5
"""Points by which a measured figure may differ from the recorded one, because INT8 kernels round differently."""
VARIANT = re.compile(r"-(fp16|int8|int8-tensorrt)(?=\.onnx$)")
"""The variant in the name of a model file (`export.files.output_files.model_file_name`)."""
FIGURES = {"top1": "top-1", "top5": "top-5", "mean_per_class": "mean per class"}
NAMED_FIGURES = {"named": "named", "named_right": "right if named"}
FP32_FIGURES = {"fp32_top1": "FP32 top-1", "agreement_with_fp32": "same top-1 as FP32"}
"""Checked if the FP32 file of the same export is in the same folder."""


@dataclass(frozen=True)
class Finding:
    """The result of one check."""

    holds: bool | None
    """None: the check could not be made."""
    text: str


def check_model(path: Path | str, data: Path | str) -> Iterator[Finding]:
    """Check everything that a model file records about itself. Findings are yielded as they are made.

    Args:
        path: a model file.
        data: the data set that it was calibrated and measured on. If there is none, calibration and accuracy are not
            checked.

    Raises:
        ModelError: the file is not a model file of this project.
    """
    path, data = Path(path), Path(data)
    session = Session(path, device="cpu")
    info = session.info
    yield Finding(True, f"opens: {info.architecture}, {info.precision}, {len(info.classes)} classes")
    yield _check_digest(path)
    yield _check_completeness(info)
    if not is_dataset(data):
        yield Finding(None, f"{data}: no data set; calibration images and accuracy were not checked (--data)")
        return
    yield _check_classes(info, data)
    yield from _check_calibration(info, data)
    yield from _check_accuracy(session, data)


def _check_digest(path: Path) -> Finding:
    recorded = read_manifest(path.parent).get(path.name)
    if recorded is None:
        return Finding(False, f"{path.parent / NAME}: does not name {path.name}; export it again")
    if recorded != file_digest(path):
        return Finding(
            False, f"SHA-256 differs from {NAME}: the file was changed, or the export was interrupted; export it again"
        )
    return Finding(True, f"SHA-256 is that of {NAME}: {recorded}")


def _check_completeness(info: ModelInfo) -> Finding:
    missing = [
        name for name in ("architecture", "precision", "evaluation", "training", "versions") if not getattr(info, name)
    ]
    if info.precision == "int8" and not info.calibration:
        missing.append("calibration")
    return Finding(not missing, f"metadata lacks {', '.join(missing)}" if missing else "metadata is complete")


def _check_classes(info: ModelInfo, data: Path) -> Finding:
    classes = read_split(data, next((name for name in info.evaluation if name in SPLITS), "val")).classes
    if info.classes == classes:
        return Finding(True, f"class names are those of the data set: {len(classes)}")
    different = next((pair for pair in zip(info.classes, classes, strict=False) if pair[0] != pair[1]), None)
    if different is None:
        difference = f"the model has {len(info.classes)} classes, the data set {len(classes)}"
    else:
        difference = f"{different[0]!r} in the model is {different[1]!r} in the data set"
    return Finding(False, f"class names are not those of the data set: {difference}")


def _check_calibration(info: ModelInfo, data: Path) -> Iterator[Finding]:
    if not info.calibration:
        return
    split = _recorded_split(info.calibration.get("split"), info.calibration, data)
    if split is None:
        yield Finding(False, "calibrated on a split or a number of images that the data set does not have")
        return
    same = info.calibration.get("sha256") == split.digest()
    yield Finding(same, f"calibrated on {'these' if same else 'other'} {len(split):,} {split.name} images")


def _check_accuracy(session: Session, data: Path) -> Iterator[Finding]:
    sessions = {"file": session, **_open_fp32_file(session)}
    for name, recorded in session.info.evaluation.items():
        split = _recorded_split(name, recorded, data)
        figures = {key: recorded.get(key) if isinstance(recorded, dict) else None for key in FIGURES}
        if split is None or not all(isinstance(value, int | float) for value in figures.values()):
            yield Finding(
                False, f"accuracy on {name!r}: of a split or a number of images that the data set does not have"
            )
            continue
        outputs = run_split(sessions, split, session.info.preprocessing)
        logits = {key: output.logits for key, output in outputs.items()}
        yield _compare_figures(split, figures, summary(logits["file"], split))
        measured_named = named_figures(outputs["file"], session.info, split)
        named = {
            key: recorded[key]
            for key in NAMED_FIGURES
            if isinstance(recorded.get(key), int | float) and measured_named[key] is not None
        }
        if named:
            yield _compare_figures(split, named, measured_named)
        fp32_figures = {key: recorded[key] for key in FP32_FIGURES if isinstance(recorded.get(key), int | float)}
        if fp32_figures and "fp32" in logits:
            agreement = Comparison.of(logits["file"], logits["fp32"]).agreement
            fp32_top1 = summary(logits["fp32"], split)["top1"]
            measured = {"fp32_top1": fp32_top1, "agreement_with_fp32": round(100 * agreement, 2)}
            yield _compare_figures(split, fp32_figures, measured)


def _compare_figures(split: Split, recorded: Mapping[str, Any], measured: Mapping[str, Any]) -> Finding:
    same = all(abs(measured[key] - value) <= TOLERANCE for key, value in recorded.items())
    titles = {**FIGURES, **NAMED_FIGURES, **FP32_FIGURES}
    figures = ", ".join(
        f"{titles[key]} {value:.2f} % (measured {measured[key]:.2f})" for key, value in recorded.items()
    )
    return Finding(same, f"{split.describe()}: recorded {figures}")


def _open_fp32_file(session: Session) -> dict[str, Session]:
    """The FP32 file of the same export, under the key ``fp32``, if it is in the same folder."""
    info = session.info
    path = session.path.with_name(VARIANT.sub("-fp32", session.path.name))
    if path == session.path or not path.is_file():
        return {}
    try:
        fp32 = Session(path, device="cpu")
    except ModelError:
        return {}  # a check of that file reports the reason
    same_export = all(
        getattr(fp32.info, name) == getattr(info, name) for name in ("classes", "preprocessing", "training")
    )
    return {"fp32": fp32} if same_export else {}


def _recorded_split(name: object, recorded: object, data: Path) -> Split | None:
    """The photographs that metadata names, or None. Metadata is untrusted and can hold any value."""
    images = recorded.get("images") if isinstance(recorded, dict) else None
    if name not in SPLITS or not isinstance(images, int) or images < 1:
        return None
    split = read_split(data, str(name)).head(images)
    return split if len(split) == images else None
