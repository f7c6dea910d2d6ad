"""Checking a finished model file: digest, metadata, calibration photographs and accuracy."""

import contextlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from export.files.manifest import NAME, read_manifest
from export.verification.comparison import Comparison
from export.verification.evaluation import named_figures, run_split, same_verdicts, summary
from finetune.data.dataset import SPLITS, is_dataset, read_split
from finetune.data.split import DataError, Split
from runtime.errors import ModelError
from runtime.files.digest import file_digest
from runtime.inference.model_file import ModelInfo
from runtime.inference.session import Session

TOLERANCE = 0.5
"""Points by which a measured figure may differ from the recorded one, because INT8 kernels round differently."""
VARIANT = re.compile(r"-(fp16|int8|int8-tensorrt)(?=\.onnx$)")
"""The variant in the name of a model file (`export.files.output_files.model_file_name`)."""
SHOWN_CLASSES, SHOWN_CHARACTERS = 5, 40
"""Longer lists and names are cut off in a finding."""
FIGURES = {"top1": "top-1", "top5": "top-5", "mean_per_class": "mean per class"}
NAMED_FIGURES = {"named": "named", "named_right": "right if named"}
FP32_FIGURES = {
    "fp32_top1": "FP32 top-1",
    "agreement_with_fp32": "same top-1 as FP32",
    "same_verdict_as_fp32": "same verdict as FP32",
}
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
    classes = _check_classes(info, data)
    yield classes
    if not classes.holds:
        yield Finding(None, "calibration images and accuracy were not checked, because the classes differ")
        return
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
    classes = _classes_of(data, [name for name in SPLITS if name in info.evaluation] or ["val"])
    if info.classes == classes:
        return Finding(True, f"class names are those of the data set: {len(classes)}")
    differences = [
        f"{where}: {_shorten(names)}"
        for where, names in (
            ("only in the model", sorted(set(info.classes) - set(classes))),
            ("only in the data set", sorted(set(classes) - set(info.classes))),
        )
        if names
    ]
    difference = "; ".join(differences) or "they are in another order"
    return Finding(False, f"class names are not those of the data set: {difference}")


def _classes_of(data: Path, splits: Sequence[str]) -> tuple[str, ...]:
    """The classes of a data set, of which some splits may be missing.

    Raises:
        DataError: none of ``splits`` can be read.
    """
    for name in splits[:-1]:
        with contextlib.suppress(DataError):  # the check of the accuracy on this split reports it
            return read_split(data, name).classes
    return read_split(data, splits[-1]).classes


def _check_calibration(info: ModelInfo, data: Path) -> Iterator[Finding]:
    if not info.calibration:
        return
    split = _recorded_split(info.calibration.get("split"), info.calibration, data)
    if isinstance(split, str):
        yield Finding(False, f"calibrated on {split}")
        return
    same = info.calibration.get("sha256") == split.digest()
    yield Finding(same, f"calibrated on {'these' if same else 'other'} {len(split):,} {split.name} images")


def _check_accuracy(session: Session, data: Path) -> Iterator[Finding]:
    sessions = {"file": session, **_open_fp32_file(session)}
    for name, recorded in session.info.evaluation.items():
        split = _recorded_split(name, recorded, data)
        figures = {key: recorded.get(key) if isinstance(recorded, dict) else None for key in FIGURES}
        if isinstance(split, str):
            yield Finding(False, f"accuracy on {split}")
            continue
        if not all(isinstance(value, int | float) for value in figures.values()):
            yield Finding(False, f"accuracy on {name}: the file does not record all figures; export it again")
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
            fp32 = sessions["fp32"].info
            of_fp32 = fp32.evaluation.get(name)
            if not isinstance(of_fp32, dict) or "named" not in of_fp32:  # its cuts were changed since
                fp32_figures.pop("same_verdict_as_fp32", None)
            measured = {
                "fp32_top1": fp32_top1,
                "agreement_with_fp32": round(100 * agreement, 2),
                "same_verdict_as_fp32": same_verdicts(outputs["file"], session.info, outputs["fp32"], fp32),
            }
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


def _recorded_split(name: object, recorded: object, data: Path) -> Split | str:
    """The photographs that metadata names, or what is wrong. Metadata is untrusted and can hold any value."""
    images = recorded.get("images") if isinstance(recorded, dict) else None
    if name not in SPLITS or not isinstance(images, int) or images < 1:
        return f"{str(name)[:SHOWN_CHARACTERS]!r}: no split, or no number of images; export it again"
    try:
        split = read_split(data, str(name))
    except DataError as error:
        return f"{name}: {error}"
    if len(split) < images:
        problem = f"{name}: the file records {images:,} images, the data set has {len(split):,}"
        absent = [label for index, label in enumerate(split.classes) if index not in split.labels]
        if absent:
            problem += f", and none of {_shorten(absent)}"
        return problem
    return split.head(images)


def _shorten(names: Sequence[str]) -> str:
    """Names for a finding. They come from files that are not trusted, so control characters are escaped."""
    return ", ".join([*map(repr, names[:SHOWN_CLASSES]), *(["…"] if len(names) > SHOWN_CLASSES else [])])
