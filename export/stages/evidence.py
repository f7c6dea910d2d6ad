"""What makes figures less certain than they look: too few photographs, or photographs that were trained on."""

import contextlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from export.confidence.cuts import ENOUGH_PHOTOGRAPHS
from export.stages.load import ExportInputs, training_splits
from finetune.data.dataset import read_split
from finetune.data.split import SPLITS, DataError, Split, join_splits
from runtime.inference.model_file import ModelInfo

ENOUGH_OF_A_CLASS = 5
"""Training photographs of a class below which the export warns: the familiarity needs the mean of their features."""

NONE_LEAKED = "none of those that are held out now was trained on"
UNKNOWN = "some that were trained on may be held out now, and figures of them are too high"


def too_few_photographs(inputs: ExportInputs) -> Iterator[str]:
    """Yield lines about too few photographs for what an export fits and measures."""
    if len(inputs.calibration) < ENOUGH_PHOTOGRAPHS:
        yield (
            f"only {len(inputs.calibration):,} validation photographs: activation ranges, temperature and cuts are "
            f"uncertain; {ENOUGH_PHOTOGRAPHS} are a useful minimum"
        )
    counts = np.bincount(inputs.training.labels, minlength=len(inputs.checkpoint.classes))
    if few := int((counts < ENOUGH_OF_A_CLASS).sum()):
        yield (
            f"{few:,} classes have fewer than {ENOUGH_OF_A_CLASS} training photographs: their familiarity is uncertain"
        )


def changed_photographs(
    data: Path, provenance: Mapping[str, Any], trained_on: Collection[str] = (), *, names: Collection[str] = SPLITS
) -> Iterator[str]:
    """Yield lines if the photographs are not those of the training, or if some that were trained on are held out now.

    Args:
        data: the data set as it is now.
        provenance: of the checkpoint; not trusted. It has the digests of the splits.
        trained_on: `Split.fingerprints` of the photographs of the training. Empty if they are not known.
        names: splits that are compared besides those of the training.
    """
    trained = training_splits(provenance)
    splits: dict[str, Split] = {}
    for name in SPLITS:
        if name in trained or name in names:
            with contextlib.suppress(DataError):  # the caller reads what it needs, and raises the error
                splits[name] = read_split(data, name)
    held_out = {name: split for name, split in splits.items() if name not in trained}
    parts = {"train": [splits[name] for name in trained if name in splits]} | {
        name: [split] for name, split in held_out.items()
    }
    known = frozenset(trained_on)
    any_leaked = False
    for name, split in held_out.items():
        if count := sum(each in known for each in split.fingerprints()) if known else 0:
            any_leaked = True
            yield (
                f"{count:,} of the {len(split):,} {name} photographs were trained on: figures of {name} are too high; "
                "train again, or give the data set as it was"
            )
    changed = [name for name, part in parts.items() if part and not _is_recorded(provenance, name, part)]
    if changed and not any_leaked:
        yield (
            f"photographs of {' and '.join(changed)} were added, removed or changed since the training, or another "
            f"version divided them; {NONE_LEAKED if known else UNKNOWN}"
        )


def changed_photographs_of_model(data: Path, info: ModelInfo, *, names: Collection[str] = SPLITS) -> Iterator[str]:
    """Yield the lines of `changed_photographs` for a model file. It has fewer of the records of the training."""
    if info.provenance:
        yield from changed_photographs(data, info.provenance, names=names)


def _is_recorded(provenance: Mapping[str, Any], name: str, splits: Sequence[Split]) -> bool:
    """Return whether the digest of these photographs is the recorded one, or none was recorded."""
    recorded = provenance.get(f"{name}_sha256")
    if not isinstance(recorded, str):
        return True
    limit, count = (_positive(provenance.get(key)) for key in ("limit", f"{name}_images"))
    # Version 0.3 recorded no limit. With one, its training took ``count`` photographs of one split.
    candidates = [join_splits(splits), join_splits([split.head(limit) for split in splits])]
    return recorded in {each.digest() for each in (*candidates, candidates[0].head(count))}


def _positive(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None
