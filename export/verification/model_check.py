"""``python -m export --check FILE``: whether a model file is what it says it is."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from export.files.manifest import NAME, read_manifest
from export.files.output_files import PREFIX
from export.verification.comparison import Comparison
from export.verification.evaluation import run_split, summary
from finetune.data.dataset import SPLITS, is_dataset, read_split
from finetune.data.split import Split
from runtime.errors import ModelError
from runtime.files.digest import file_digest
from runtime.inference.model_file import ModelInfo
from runtime.inference.session import Session

TOLERANCE = 0.5
"""Points by which a measurement may differ from the file's own: INT8 kernels round differently."""
FIGURES = {"top1": "top-1", "top5": "top-5", "mean_per_class": "mean per class"}
AGAINST_FP32 = {"fp32_top1": "FP32 top-1", "agreement_with_fp32": "same top-1 as FP32"}
"""Looked at where the FP32 file lies beside."""


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at."""

    holds: bool | None
    """None: it could not be looked at."""
    text: str


def check(path: Path, data: Path) -> Iterator[Finding]:
    """Look at everything that ``path`` says of itself, and yield what is found as it is found.

    Args:
        path: a model file.
        data: the data set that it was calibrated and measured on; without one, that part is left out.

    Raises:
        ModelError: not a model file of ours at all.
    """
    session = Session(path, device="cpu")
    info = session.info
    yield Finding(True, f"opens: {info.architecture}, {info.precision}, {len(info.classes)} classes")
    yield _digest(path)
    yield from _complete(info)
    if not is_dataset(data):
        yield Finding(None, f"{data}: no data set; calibration images and accuracy were not looked at (--data)")
        return
    yield _same_classes(info, data)
    yield from _calibrated(info, data)
    yield from _accurate(session, data)


def _digest(path: Path) -> Finding:
    stated = read_manifest(path.parent).get(path.name)
    if stated is None:
        return Finding(False, f"{path.parent / NAME}: does not name {path.name}; export it again")
    if stated != file_digest(path):
        return Finding(
            False, f"SHA-256 is not that of {NAME}: changed since, or the export was broken off; do it again"
        )
    return Finding(True, f"SHA-256 is that of {NAME}: {stated}")


def _complete(info: ModelInfo) -> Iterator[Finding]:
    missing = [
        name for name in ("architecture", "precision", "evaluation", "training", "versions") if not getattr(info, name)
    ]
    if info.precision == "int8" and not info.calibration:
        missing.append("calibration")
    yield Finding(not missing, f"metadata lacks {', '.join(missing)}" if missing else "metadata is complete")


def _calibrated(info: ModelInfo, data: Path) -> Iterator[Finding]:
    if not info.calibration:
        return
    split = _stated_split(info.calibration.get("split"), info.calibration, data)
    if split is None:
        yield Finding(False, "calibrated on a split or a number of images that the data set does not have")
        return
    same = info.calibration.get("sha256") == split.digest()
    yield Finding(same, f"calibrated on {'these' if same else 'other'} {len(split):,} {split.name} images")


def _same_classes(info: ModelInfo, data: Path) -> Finding:
    classes = read_split(data, next((name for name in info.evaluation if name in SPLITS), "val")).classes
    if info.classes == classes:
        return Finding(True, f"class names are the data set's: {len(classes)}")
    odd = next((pair for pair in zip(info.classes, classes, strict=False) if pair[0] != pair[1]), None)
    which = f"{odd[0]!r} is {odd[1]!r} there" if odd else f"{len(info.classes)} of them, {len(classes)} there"
    return Finding(False, f"class names are not the data set's: {which}")


def _accurate(session: Session, data: Path) -> Iterator[Finding]:
    sessions = {"file": session, **_fp32_beside(session)}
    for name, stated in session.info.evaluation.items():
        split = _stated_split(name, stated, data)
        said = {key: stated.get(key) if isinstance(stated, dict) else None for key in FIGURES}
        if split is None or not all(isinstance(value, int | float) for value in said.values()):
            yield Finding(
                False, f"accuracy on {name!r}: of a split or a number of images that the data set does not have"
            )
            continue
        logits = run_split(sessions, split, session.info.preprocessing)
        yield _compared(split, said, summary(logits["file"], split))
        against = {key: stated[key] for key in AGAINST_FP32 if isinstance(stated.get(key), int | float)}
        if against and "fp32" in logits:
            agreement = Comparison.of(logits["file"], logits["fp32"]).agreement
            fp32 = summary(logits["fp32"], split)["top1"]
            yield _compared(split, against, {"fp32_top1": fp32, "agreement_with_fp32": round(100 * agreement, 2)})


def _compared(split: Split, said: Mapping[str, Any], measured: Mapping[str, Any]) -> Finding:
    same = all(abs(measured[key] - value) <= TOLERANCE for key, value in said.items())
    names = {**FIGURES, **AGAINST_FP32}
    words = ", ".join(f"{names[key]} {value:.2f} % (has {measured[key]:.2f})" for key, value in said.items())
    return Finding(same, f"{split.describe()}: says {words}")


def _fp32_beside(session: Session) -> dict[str, Session]:
    """The FP32 file of the same export, if it is still in the same folder."""
    path, info = session.path.with_name(f"{PREFIX}{session.info.architecture}-fp32.onnx"), session.info
    if info.precision == "fp32" or not path.is_file():
        return {}
    try:
        fp32 = Session(path, device="cpu")
    except ModelError:
        return {}  # its own --check says why
    related = all(getattr(fp32.info, name) == getattr(info, name) for name in ("classes", "preprocessing", "training"))
    return {"fp32": fp32} if related else {}


def _stated_split(name: object, stated: object, data: Path) -> Split | None:
    """The photographs that metadata, which may say anything, speaks of."""
    images = stated.get("images") if isinstance(stated, dict) else None
    if name not in SPLITS or not isinstance(images, int) or images < 1:
        return None
    split = read_split(data, str(name)).head(images)
    return split if len(split) == images else None
