"""Patterns of paths, for shells that do not expand them."""

import glob
import os
from collections.abc import Iterator
from fnmatch import fnmatch
from itertools import chain, takewhile
from pathlib import Path

from runtime.photos.finding.excluded import ANY_FOLDERS
from runtime.photos.finding.left_out import is_system_name
from runtime.photos.finding.sorted_names import sorted_names


def matching_paths(pattern: str) -> Iterator[str]:
    """Yield the files and folders that match a pattern of `glob` (``**`` matches any folders), sorted.

    Hidden ones, and those of `runtime.photos.finding.left_out.SYSTEM_NAMES`, match only if the pattern names them. The
    files of a folder are read one by one; only the names of its folders are held in memory.
    """
    named = set(Path(pattern).parts)
    for path in sorted_names(_paths(pattern)):
        if not any(is_system_name(part) for part in Path(path).parts if part not in named):
            yield path


def path_below(pattern: str, path: str) -> str:
    """Return the part of a path that is below the folder with which the pattern begins.

    Args:
        pattern: for example ``photos/20*/*.jpg``.
        path: one that matches it, for example ``photos/2019/a.jpg``; the result is then ``2019/a.jpg``.
    """
    fixed = sum(1 for _ in takewhile(lambda part: not glob.has_magic(part), Path(pattern).parts))
    return str(Path(*Path(path).parts[fixed:]))


def _paths(pattern: str) -> Iterator[str]:
    """Yield what `glob.iglob` yields, which holds all names of a folder in memory.

    It looks only for folders here. The folder before a ``**`` at the end is not yielded.
    """
    parent, name = os.path.split(pattern)
    if name == ANY_FOLDERS:
        parent, name = pattern, "*"
    if not glob.has_magic(name):
        yield from glob.iglob(pattern, recursive=True)  # noqa: PTH207 (Path.glob needs a folder)
        return
    folders: Iterator[str] = iter((parent,))
    if glob.has_magic(parent):
        folders = glob.iglob(os.path.join(parent, ""), recursive=True)  # noqa: PTH118, PTH207
        if all(part == ANY_FOLDERS for part in Path(parent).parts):
            folders = chain(("",), folders)  # the current folder, which `glob.iglob` does not yield
    for folder in folders:
        for file in _names_in(folder):
            if fnmatch(file, name) and (name.startswith(".") or not file.startswith(".")):
                yield os.path.join(folder, file)  # noqa: PTH118 (the path stays as `glob.iglob` gives it)


def _names_in(folder: str) -> Iterator[str]:
    try:
        with os.scandir(folder or ".") as entries:
            yield from (entry.name for entry in entries)
    except OSError:  # as in `glob.iglob`
        return
