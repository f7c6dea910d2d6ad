"""Finding photos: the files, folders, patterns and standard input that a command line names."""

import glob
import os
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from runtime.errors import FlowerError, PhotoError
from runtime.photos.finding.left_out import OTHER_PICTURES, is_never_photo, is_system_name
from runtime.photos.formats import SUFFIXES
from runtime.photos.open_photo import Photo
from runtime.photos.reading import SHOWN, is_address, unreadable


def list_photos(
    arguments: Sequence[str], left_out: Counter[str] | None = None
) -> Iterator[tuple[str, Photo | FlowerError]]:
    """Yield the name of each photo with the photo, or with the error that explains why there is none.

    A folder stands for all photos in it and below it. An argument that names no file and contains ``*``, ``?`` or
    ``[…]`` is a pattern (``**`` matches any folders), for shells that do not expand patterns. ``-`` is standard
    input. Folders are read while the caller iterates.

    Args:
        arguments: what the user named.
        left_out: see `photos_below`.
    """
    left_out = Counter() if left_out is None else left_out
    for argument in arguments:
        if argument == "-":
            yield "-", _standard_input()
        elif not argument:
            yield "", PhotoError("a photo's name is empty; check whether a shell variable is not set")
        elif is_address(argument):
            yield (
                argument,
                PhotoError(f"{argument[:SHOWN]}: addresses are not downloaded; use: curl -s ADDRESS | flower-infer -"),
            )
        elif glob.has_magic(argument) and not os.path.lexists(argument):
            yield from _or_error(_matching(argument, left_out), argument, "no file matches this pattern")
        elif os.path.isdir(argument):  # noqa: PTH112 (Path.is_dir raises if a parent folder is not accessible)
            yield from _or_error(
                photos_below(argument, left_out),
                argument,
                f"no photos in this folder ({', '.join(sorted(SUFFIXES))})",
            )
        else:
            yield argument, argument


def photos_below(folder: str, left_out: Counter[str] | None = None) -> Iterator[tuple[str, Photo | FlowerError]]:
    """Yield the photos in a folder and below it, found by suffix, in order, and then the folders that cannot be read.

    Hidden files and folders and those of `runtime.photos.finding.left_out.SYSTEM_NAMES` are skipped.

    Args:
        folder: its path.
        left_out: files that look like photos, but whose format is not read, are counted here by suffix.
    """
    errors: list[OSError] = []
    # Links to folders are not followed, because they can form a cycle.
    for parent, folders, files in os.walk(folder, onerror=errors.append):
        folders[:] = sorted(name for name in folders if not is_never_photo(name))
        for file in sorted(files):
            suffix = Path(file).suffix.lower()
            if is_never_photo(file):
                continue
            if suffix in SUFFIXES:
                yield str(Path(parent, file)), str(Path(parent, file))
            elif suffix in OTHER_PICTURES and left_out is not None:
                left_out[suffix] += 1
    for error in errors:
        yield str(error.filename), unreadable(error.filename, error)


def _matching(pattern: str, left_out: Counter[str]) -> Iterator[tuple[str, Photo | FlowerError]]:
    named = set(Path(pattern).parts)
    for path in sorted(glob.iglob(pattern, recursive=True)):  # noqa: PTH207 (Path.glob needs a folder)
        if any(is_system_name(part) for part in Path(path).parts if part not in named):
            continue
        if not os.path.isdir(path):  # noqa: PTH112 (as in list_photos)
            yield path, path
        elif "**" not in pattern:  # a pattern with ** matches the files inside folders itself
            yield from photos_below(path, left_out)


def _standard_input() -> Photo | FlowerError:
    if sys.stdin is None:
        return PhotoError("standard input is closed")
    try:
        # Unbuffered: a thread that waits for input would hold the lock of Python's buffer, and Python would abort at
        # exit.
        return open(sys.stdin.fileno(), "rb", buffering=0, closefd=False)
    except OSError:  # sys.stdin has no descriptor: a program replaced it
        return sys.stdin.buffer


def _or_error(
    photos: Iterator[tuple[str, Photo | FlowerError]], argument: str, message: str
) -> Iterator[tuple[str, Photo | FlowerError]]:
    """Yield ``photos``, or an error with ``message`` if there are none."""
    empty = True
    for item in photos:
        empty = False
        yield item
    if empty:
        yield argument, PhotoError(f"{argument}: {message}")
