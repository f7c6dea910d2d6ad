"""The digest of a photograph's bytes, which is computed once for each version of a file."""

import os
from functools import lru_cache
from pathlib import Path

from finetune.data.errors import DataError
from runtime.files.digest import file_digest


def content_digest(path: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal.

    Raises:
        DataError: the file cannot be read.
    """
    try:
        status = path.stat()
        return _digest(os.fspath(path), status.st_size, status.st_mtime_ns)
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}); restore this file, or remove it") from None


@lru_cache(maxsize=1_000_000)
def _digest(path: str, size: int, modified_ns: int) -> str:
    """Return the digest. The size and the time of the last change identify a version of the file."""
    return file_digest(Path(path))
