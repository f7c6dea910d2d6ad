"""Which photos a command line names: files, folders, patterns and standard input."""

import glob
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from runtime.errors import FlowerError, PhotoError
from runtime.photos.formats import SUFFIXES
from runtime.photos.open_photo import Photo


def list_photos(arguments: Sequence[str]) -> Iterator[tuple[str, Photo | FlowerError]]:
    """Each photo with its name, or a name with what is wrong with it; found while they are taken.

    A folder stands for all photos in it and below it. What names no file but has ``*``, ``?`` or ``[…]`` in it is a
    pattern (``**`` for any folders), for shells that leave those to the program. ``-`` is standard input.
    """
    for argument in arguments:
        if argument == "-":
            yield "-", _standard_input()
        elif not argument:
            yield "", PhotoError("a photo's name is empty (a variable that is not set?)")
        elif argument.startswith(("http://", "https://")):
            yield argument, PhotoError(f"{argument}: nothing is fetched; use: curl -s ADDRESS | flower-infer -")
        elif glob.has_magic(argument) and not os.path.lexists(argument):
            yield from _or_complain(_fitting(argument), argument, "no file fits this pattern")
        elif os.path.isdir(argument):  # noqa: PTH112 (Path.is_dir raises where the way there is barred)
            yield from _or_complain(
                photos_below(argument), argument, f"no photos in this folder ({', '.join(sorted(SUFFIXES))})"
            )
        else:
            yield argument, argument


def photos_below(folder: str) -> Iterator[tuple[str, Photo | FlowerError]]:
    """The photos in a folder and below it, by their suffixes, in order; hidden ones are left out."""
    barred: list[OSError] = []
    # Links to folders are not followed: they may lead in circles.
    for parent, folders, files in os.walk(folder, onerror=barred.append):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for file in sorted(files):
            if Path(file).suffix.lower() in SUFFIXES and not file.startswith("."):
                yield str(Path(parent, file)), str(Path(parent, file))
    for error in barred:
        yield str(error.filename), PhotoError(f"{error.filename}: cannot be read ({error.strerror})")


def _fitting(pattern: str) -> Iterator[tuple[str, Photo | FlowerError]]:
    for path in sorted(glob.iglob(pattern, recursive=True)):  # noqa: PTH207
        if not os.path.isdir(path):  # noqa: PTH112
            yield path, path
        elif "**" not in pattern:  # which finds what is in the folders, too
            yield from photos_below(path)


def _standard_input() -> Photo | FlowerError:
    if sys.stdin is None:
        return PhotoError("standard input is closed")
    try:
        # Not Python's own buffer: its lock, held by a thread that waits for more, is fatal when Python ends.
        return open(sys.stdin.fileno(), "rb", buffering=0, closefd=False)
    except OSError:  # no file of the system's: replaced from within Python
        return sys.stdin.buffer


def _or_complain(
    found: Iterator[tuple[str, Photo | FlowerError]], argument: str, complaint: str
) -> Iterator[tuple[str, Photo | FlowerError]]:
    nothing = True
    for item in found:
        nothing = False
        yield item
    if nothing:
        yield argument, PhotoError(f"{argument}: {complaint}")
