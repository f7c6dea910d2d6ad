"""What looks like photographs in a data set of class folders, but is in no class."""

import contextlib
from collections import Counter
from pathlib import Path

from finetune.data.dataset import read_split
from finetune.data.split import SPLITS, DataError
from runtime.errors import FlowerError
from runtime.photos.finding.left_out import is_never_photo, left_out_message
from runtime.photos.finding.listing import photos_below

DEPTH_WITH_SPLITS = 3
"""Names in the path of a photograph: SPLIT/CLASS/PHOTO."""
SHOWN = 3
"""Most folders that are named in a line."""


def passed_over(data: Path) -> list[str]:
    """Return lines about the photographs below ``data`` that are in no split, and the folders that cannot be read.

    Args:
        data: folder of a data set of class folders, with photographs for training.
    """
    used: set[str] = set()
    for name in SPLITS:
        with contextlib.suppress(DataError):  # a split may be missing; whoever needs it reports the error
            used.update(map(str, read_split(data, name).paths))
    depth = len(Path(min(used)).relative_to(data).parts)
    class_folder = "the folder of a class of a split" if depth == DEPTH_WITH_SPLITS else "the folder of a class"
    folders: Counter[str] = Counter()
    left_out: Counter[str] = Counter()
    lines = []
    for name, photo in photos_below(str(data), left_out):
        if isinstance(photo, FlowerError):
            lines.append(str(photo))
        elif name not in used:
            folders[str(Path(name).parent)] += 1
    if folders:
        named = ", ".join(f"{folder} ({number:,})" for folder, number in folders.most_common(SHOWN))
        more = f" and {len(folders) - SHOWN:,} more folders" if len(folders) > SHOWN else ""
        lines.append(
            f"{folders.total():,} photographs are not used, because they are not directly in {class_folder}: "
            f"{named}{more}"
        )
    if left_out:
        lines.append(left_out_message(left_out))
    if empty := _folders_without_photographs(data, depth):
        more = f" and {len(empty) - SHOWN:,} more" if len(empty) > SHOWN else ""
        lines.append(f"{len(empty):,} folders hold no photographs and are no classes: {', '.join(empty[:SHOWN])}{more}")
    return lines


def _folders_without_photographs(data: Path, depth: int) -> list[str]:
    """Return the folders at the place of class folders that are empty, or hold other files only."""
    folders = data.glob("/".join("*" * (depth - 1)))
    return sorted(
        str(folder)
        for folder in folders
        if folder.is_dir()
        and not any(is_never_photo(part) for part in folder.relative_to(data).parts)
        and next(photos_below(str(folder)), None) is None
    )
