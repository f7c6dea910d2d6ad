"""What identifies a file: the digest of its bytes."""

import hashlib
from pathlib import Path


def file_digest(path: Path, algorithm: str = "sha256") -> str:
    """The digest of the file at ``path`` in hexadecimal.

    Args:
        algorithm: of `hashlib`. Oxford publishes MD5, which guards against damage, not against forgery.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.new(algorithm, usedforsecurity=False)).hexdigest()
