"""Atomic writing: a reader sees the complete old content or the complete new content of a file or folder."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def atomic_file(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary path beside ``path``. A clean exit renames it to ``path``; an error deletes it.

    The content is flushed to the disk before the rename, so that after a power cut the file has one version or the
    other (rename(2) is atomic within one file system).
    """
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = _temporary_path(target)
    temporary.touch(exist_ok=False)
    try:
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        temporary.replace(target)
        flush_folder(target.parent)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def atomic_folder(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary folder beside ``path``. A clean exit renames it to ``path``; an error deletes it.

    An existing folder at ``path`` is deleted, so check before the call that it may be. For a moment between two renames
    no folder exists at ``path``; an incomplete folder never does.
    """
    # The absolute path has a name and a parent, which "." and ".." do not. A link stays; its target is replaced.
    target = Path(path).resolve()
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = _temporary_path(target)
    temporary.mkdir()
    old = temporary.with_suffix(".old")
    try:
        yield temporary
        for file in temporary.rglob("*"):
            if file.is_file():
                with file.open("rb+") as opened:
                    os.fsync(opened.fileno())
        try:
            if target.exists():
                target.rename(old)
            temporary.rename(target)
        except BaseException:  # after Ctrl-C, too, one of the two folders must be in place
            if old.exists() and not target.exists():
                old.rename(target)
            raise
        flush_folder(target.parent)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        if target.exists():
            shutil.rmtree(old, ignore_errors=True)


def flush_folder(folder: str | os.PathLike[str]) -> None:
    """Write the names in ``folder`` to the disk. Before, a new file may be missing after a power cut.

    Does nothing where a folder cannot be opened (Windows) or flushed (some network disks).
    """
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _temporary_path(target: Path) -> Path:
    """Return a new path beside ``target``.

    Not from `tempfile`, which makes private files and folders. To give them the usual permissions one would have to
    read the process's umask, which is only possible by changing it for all threads.
    """
    return target.parent / f".{target.name}.{os.urandom(6).hex()}.tmp"


def remove_leftovers(folder: str | os.PathLike[str], *names: str) -> None:
    """Delete the temporary files of `atomic_file` that a killed process left in ``folder``.

    Args:
        folder: where to look.
        names: the names of the final files, or patterns. No other process may be writing files of these names there.
    """
    for name in names:
        for path in Path(folder).glob(f".{name}.*.tmp"):
            if path.is_file():
                path.unlink(missing_ok=True)


def write_bytes(path: str | os.PathLike[str], content: bytes) -> None:
    """Write ``content`` to ``path`` atomically."""
    with atomic_file(path) as temporary:
        temporary.write_bytes(content)


def write_text(path: str | os.PathLike[str], content: str) -> None:
    """Write ``content`` to ``path`` atomically, as UTF-8."""
    write_bytes(path, content.encode())
