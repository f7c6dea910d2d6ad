"""What looks like photographs in a data set of class folders, but is in no class."""

from collections import Counter
from pathlib import Path

from runtime.errors import FlowerError
from runtime.photos.left_out import is_never_photo, left_out_message
from runtime.photos.listing import photos_below

SHOWN = 3
"""Most folders that are named in a line."""


def passed_over(data: Path, example: Path) -> list[str]:
    """Return lines about the photographs below ``data`` that belong to no class, and the folders that cannot be read.

    Args:
        data: folder of the data set.
        example: one photograph of the data set. Those in folders that are deeper or less deep are in no class.
    """
    depth = len(example.relative_to(data).parts)
    folders: Counter[str] = Counter()
    left_out: Counter[str] = Counter()
    lines = []
    for name, photo in photos_below(str(data), left_out):
        if isinstance(photo, FlowerError):
            lines.append(str(photo))
        elif len(Path(name).relative_to(data).parts) != depth:
            folders[str(Path(name).parent)] += 1
    if folders:
        named = ", ".join(f"{folder} ({number:,})" for folder, number in folders.most_common(SHOWN))
        more = f" and {len(folders) - SHOWN:,} more folders" if len(folders) > SHOWN else ""
        lines.append(f"{folders.total():,} photographs are not directly in a class folder and not used: {named}{more}")
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
