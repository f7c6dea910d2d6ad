"""The digest of a file, which identifies its content."""

import hashlib
from pathlib import Path


def file_digest(path: Path, algorithm: str = "sha256") -> str:
    """Return the digest of the file at ``path`` in hexadecimal.

    Args:
        path: an existing file.
        algorithm: a name that `hashlib` knows. Oxford publishes MD5 sums, which detect damage but not forgery.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.new(algorithm, usedforsecurity=False)).hexdigest()
