"""Finding photos: the files, folders, patterns and standard input that a command line names."""

import glob
import os
import sys
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from runtime.errors import FlowerError, PhotoError
from runtime.photos.finding.excluded import NOTHING_EXCLUDED, Excluded
from runtime.photos.finding.left_out import OTHER_PICTURES, is_never_photo, suffix_of
from runtime.photos.finding.patterns import matching_paths, path_below
from runtime.photos.finding.sorted_names import sorted_names
from runtime.photos.formats import SUFFIXES
from runtime.photos.open_photo import Photo
from runtime.photos.reading import SHOWN, is_address, unreadable

FILE, FOLDER = "0", "1"
"""Stand before the names in a folder while they are sorted, so that its files come before its folders."""
MAX_ERRORS = 10_000
"""Folders that cannot be read are yielded when there are this many, or at the end."""


@dataclass(frozen=True)
class Search:
    """What is taken in folders, and what is not."""

    left_out: Counter[str]
    """Files that look like photos, but whose format is not read, are counted here by suffix."""
    excluded: Excluded
    suffixes: tuple[str, ...]
    """Endings of the names that are taken, in lower case."""


def list_photos(
    arguments: Sequence[str],
    left_out: Counter[str] | None = None,
    *,
    excluded: Excluded = NOTHING_EXCLUDED,
    suffixes: Collection[str] = SUFFIXES,
) -> Iterator[tuple[str, Photo | FlowerError]]:
    """Yield the name of each photo with the photo, or with the error that explains why there is none.

    A folder stands for all photos in it and below it. An argument that names no file and contains ``*``, ``?`` or
    ``[…]`` is a pattern (``**`` matches any folders), for shells that do not expand patterns. ``-`` is standard
    input. Folders are read while the caller iterates.

    Args:
        arguments: what the user named.
        left_out: see `photos_below`.
        excluded: is compared with paths below a folder, and below the folder with which a pattern begins. A file that
            is named is always taken.
        suffixes: see `photos_below`.
    """
    search = _search(left_out, excluded, suffixes)
    but = " that are not excluded" if excluded else ""
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
            yield from _or_error(_matching(argument, search), argument, f"no file matches this pattern{but}")
        elif os.path.isdir(argument):  # noqa: PTH112 (Path.is_dir raises if a parent folder is not accessible)
            yield from _or_error(
                _below(argument, "", search),
                argument,
                f"no photos in this folder{but} ({', '.join(sorted(SUFFIXES))})",
            )
        else:
            yield argument, argument


def photos_below(
    folder: str,
    left_out: Counter[str] | None = None,
    *,
    excluded: Excluded = NOTHING_EXCLUDED,
    suffixes: Collection[str] = SUFFIXES,
) -> Iterator[tuple[str, Photo | FlowerError]]:
    """Yield the photos in a folder and below it, found by suffix, in order, and then the folders that cannot be read.

    First come the files of a folder, sorted, then its folders, sorted. Hidden files and folders and those of
    `runtime.photos.finding.left_out.SYSTEM_NAMES` are skipped. Links to folders are not followed, because they can form
    a cycle. The memory does not grow with the number of files and folders.

    Args:
        folder: its path.
        left_out: files that look like photos, but whose format is not read, are counted here by suffix.
        excluded: is compared with the paths below ``folder``. An excluded folder is not read.
        suffixes: endings in lower case that make a file a photo.
    """
    return _below(folder, "", _search(left_out, excluded, suffixes))


def _search(left_out: Counter[str] | None, excluded: Excluded, suffixes: Collection[str]) -> Search:
    return Search(Counter() if left_out is None else left_out, excluded, tuple(suffixes))


def _below(folder: str, place: str, search: Search) -> Iterator[tuple[str, Photo | FlowerError]]:
    """Yield what `photos_below` does. ``place`` is the path of the folder below the one that the user named."""
    path = str(Path(folder))
    levels = [(path, place, sorted_names(_entries(path, place, search)))]
    errors: list[tuple[str, FlowerError]] = []
    while levels:
        path, place, entries = levels[-1]
        try:
            entry = next(entries, None)
        except OSError as error:
            errors.append((path, unreadable(path, error)))
            entry = None
        if entry is None:
            levels.pop()
            if len(errors) == MAX_ERRORS or not levels:
                yield from errors
                errors.clear()
            continue
        kind, name = entry[0], entry[1:]
        found = name if path == "." else os.path.join(path, name)  # noqa: PTH118 (a Path object costs time)
        if kind == FILE:
            yield found, found
        else:
            place = os.path.join(place, name)  # noqa: PTH118
            levels.append((found, place, sorted_names(_entries(found, place, search))))


def _entries(folder: str, place: str, search: Search) -> Iterator[str]:
    """Yield `FILE` or `FOLDER` and the name of each photo and each folder in a folder, in any order."""
    left_out = Counter[str]()
    with os.scandir(folder) as entries:
        for entry in entries:
            name = entry.name
            if is_never_photo(name) or (search.excluded and search.excluded.matches(f"{place}/{name}")):
                continue
            if _is_folder(entry):
                if not entry.is_symlink():
                    yield FOLDER + name
            elif name.lower().endswith(search.suffixes):
                yield FILE + name
            elif (suffix := suffix_of(name)) in OTHER_PICTURES:
                left_out[suffix] += 1
    search.left_out.update(left_out)  # those of a folder that cannot be read to its end are not counted


def _is_folder(entry: os.DirEntry[str]) -> bool:
    """Return whether an entry is a folder or a link to one. A junction of Windows is neither, because it is a link."""
    try:
        return entry.is_dir() and not (sys.version_info >= (3, 12) and entry.is_junction())
    except OSError:
        return False


def _matching(pattern: str, search: Search) -> Iterator[tuple[str, Photo | FlowerError]]:
    for path in matching_paths(pattern):
        place = path_below(pattern, path)
        if search.excluded.matches(place):
            continue
        if not os.path.isdir(path):  # noqa: PTH112 (as in list_photos)
            yield path, path
        elif "**" not in pattern:  # a pattern with ** matches the files inside folders itself
            yield from _below(path, place, search)


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
