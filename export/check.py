"""``python -m export --check FILE``: whether a model file is what it says it is."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from export.evaluation import run_split, summary
from export.manifest import NAME, read_manifest
from finetune.checkpoint import sha256_of
from finetune.dataset import SPLITS, is_dataset, read_split
from finetune.split import Split
from runtime.modelfile import ModelInfo
from runtime.session import Session

TOLERANCE = 0.5
"""Points of top-1 by which a measurement may differ from the file's own: INT8 kernels round differently."""


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
    yield from _calibrated(info, data)
    yield from _accurate(session, data)


def _digest(path: Path) -> Finding:
    stated = read_manifest(path.parent).get(path.name)
    if stated is None:
        return Finding(False, f"{path.parent / NAME}: does not name {path.name}; export it again")
    if stated != sha256_of(path):
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


def _accurate(session: Session, data: Path) -> Iterator[Finding]:
    for name, stated in session.info.evaluation.items():
        split = _stated_split(name, stated, data)
        top1 = stated.get("top1") if isinstance(stated, dict) else None
        if split is None or not isinstance(top1, int | float):
            yield Finding(
                False, f"accuracy on {name!r}: of a split or a number of images that the data set does not have"
            )
            continue
        measured = summary(run_split({"file": session}, split, session.info.preprocessing)["file"], split)
        same = abs(measured["top1"] - top1) <= TOLERANCE
        yield Finding(same, f"{split.describe()}: says {top1} % top-1, has {measured['top1']} %")


def _stated_split(name: object, stated: object, data: Path) -> Split | None:
    """The photographs that metadata, which may say anything, speaks of."""
    images = stated.get("images") if isinstance(stated, dict) else None
    if name not in SPLITS or not isinstance(images, int) or images < 1:
        return None
    split = read_split(data, str(name)).head(images)
    return split if len(split) == images else None
