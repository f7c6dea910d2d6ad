"""Writing what an export makes: all of its files or, where a disk is full, none; and no folder of somebody else's."""

import hashlib
import os
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

from export.files.manifest import NAME, manifest_text
from runtime.files.atomic import atomic_file, remove_leftovers

PREFIX = "flowers-"
"""Begins the name of every model file."""


def write_together(folder: Path, contents: Mapping[str, bytes]) -> None:
    """Write ``contents`` (file name → content) into ``folder`` and name them in its manifest.

    Everything is on the disk under temporary names before the first file takes its place; so a full disk leaves all as
    it was. Whoever is killed after that, between two renames, leaves each file old or new in full, and the manifest
    old: ``--check`` then tells which files it is not about.
    """
    folder.mkdir(parents=True, exist_ok=True)
    # What a killed export left; nothing of a training that may be running in the same folder.
    remove_leftovers(folder, f"{PREFIX}*", NAME)
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}
    # The last to come onto the stack is the first to leave it and take its place; the manifest is the last.
    together = {NAME: manifest_text(folder, digests).encode(), **dict(reversed(list(contents.items())))}
    with ExitStack() as stack:
        for name, content in together.items():
            temporary = stack.enter_context(atomic_file(folder / name))
            with temporary.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())  # some systems find out only now that the disk is full
