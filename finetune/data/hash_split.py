"""Dividing the photographs of a class into training, validation and test, by the content of each photograph.

A photograph's place depends on its own content alone. So adding, removing or renaming photographs moves no other one to
another split, and two copies of one photograph are never in two splits.
"""

from bisect import bisect_left
from collections.abc import Sequence
from pathlib import Path

from finetune.data.content_digest import content_digest
from finetune.data.split import SPLITS, DataError

HELD_OUT = 0.1
"""Share of the photographs that goes to validation, and to testing."""


def select_split(folder: Path, paths: Sequence[Path], name: str) -> list[Path]:
    """Return the photographs of one class that belong to the split ``name``, in order.

    Each split gets at least one photograph. If the contents put none into validation or testing, which happens in small
    classes, the photograph that is nearest is taken. Only such a photograph can move when others are added.

    Args:
        folder: of the class, for messages.
        paths: its photographs.
        name: ``train``, ``val`` or ``test``.

    Raises:
        DataError: fewer than three different photographs, or one that cannot be read.
    """
    places = {path: int(content_digest(path)[:16], 16) / 16**16 for path in paths}
    different = set(places.values())
    if len(different) < len(SPLITS):
        raise DataError(
            f"{folder}: too few different photographs ({len(different)}) for training, validation and test; "
            f"add photographs: {len(SPLITS)} are the minimum, and about thirty are a useful start"
        )
    chosen = _places_by_split(different)[name]
    return sorted(path for path, place in places.items() if place in chosen)


def _places_by_split(places: set[float]) -> dict[str, set[float]]:
    """Return which places, numbers from 0 to 1, belong to each split. There are at least three places."""
    ordered = sorted(places)
    val_end = min(max(bisect_left(ordered, HELD_OUT), 1), len(ordered) - 2)
    test_end = min(max(bisect_left(ordered, 2 * HELD_OUT), val_end + 1), len(ordered) - 1)
    return {
        "val": set(ordered[:val_end]),
        "test": set(ordered[val_end:test_end]),
        "train": set(ordered[test_end:]),
    }
