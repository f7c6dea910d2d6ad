"""Atomic writing: a reader sees the complete old content or the complete new content of a file or folder."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def atomic_file(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary path beside ``path``. A clean exit renames it to ``path``; an error deletes it.

    The content is flushed to the disk before the rename, so that after a power cut the file has one version or the
    other (rename(2) is atomic within one file system).
    """
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{target.name}.", suffix=".tmp", dir=target.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        # mkstemp makes private files. The result gets the permissions that open() would have given.
        mask = os.umask(0)
        os.umask(mask)
        temporary.chmod(0o666 & ~mask)
        temporary.replace(target)
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
    temporary = Path(tempfile.mkdtemp(prefix=f".{target.name}.", suffix=".tmp", dir=target.parent))
    old = temporary.with_suffix(".old")
    try:
        yield temporary
        for file in temporary.rglob("*"):
            if file.is_file():
                with file.open("rb+") as opened:
                    os.fsync(opened.fileno())
        mask = os.umask(0)
        os.umask(mask)
        temporary.chmod(0o777 & ~mask)
        try:
            if target.exists():
                target.rename(old)
            temporary.rename(target)
        except BaseException:  # after Ctrl-C, too, one of the two folders must be in place
            if old.exists() and not target.exists():
                old.rename(target)
            raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        if target.exists():
            shutil.rmtree(old, ignore_errors=True)


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
