"""Writing the files of one export together: all of them or, if the disk is full, none."""

import hashlib
import os
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

from export.files.manifest import NAME, manifest_text
from runtime.files.atomic import atomic_file, remove_leftovers

PREFIX = "flowers-"
"""Start of the name of every model file."""


def write_together(folder: Path, contents: Mapping[str, bytes]) -> None:
    """Write ``contents`` (file name → content) into ``folder`` and add them to its manifest.

    All files are on the disk under temporary names before the first one is renamed. So a full disk leaves the folder as
    it was. If the process is killed between two renames, each file is completely old or completely new, and the
    manifest is old; ``python -m export check`` then reports the files that differ from the manifest.
    """
    folder.mkdir(parents=True, exist_ok=True)
    # Temporary files of an export that was killed. A training run in the same folder uses other names.
    remove_leftovers(folder, f"{PREFIX}*", NAME)
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}
    # ExitStack renames in reverse order of entering: the files in the order of ``contents``, then the manifest.
    together = {NAME: manifest_text(folder, digests).encode(), **dict(reversed(list(contents.items())))}
    with ExitStack() as stack:
        for name, content in together.items():
            temporary = stack.enter_context(atomic_file(folder / name))
            with temporary.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())  # some file systems report a full disk only here
