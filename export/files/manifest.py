"""The manifest: ``SHA256SUMS`` beside the model files, in the format of ``sha256sum``."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from runtime.files.atomic import write_text
from runtime.files.digest import file_digest

NAME = "SHA256SUMS"
LINE = re.compile(r"([0-9a-f]{64}) [ *]([^/\\]+)")


def write_manifest(paths: Iterable[Path]) -> None:
    """Put the digests of ``paths`` into the manifests of their folders; other lines stay as they are."""
    for path in paths:
        write_text(path.parent / NAME, manifest_text(path.parent, {path.name: file_digest(path)}))


def manifest_text(folder: Path, digests: Mapping[str, str]) -> str:
    """The manifest of ``folder`` with ``digests`` (file name → SHA-256) in it; other lines stay as they are."""
    known = {**read_manifest(folder), **digests}
    return "".join(f"{digest}  {name}\n" for name, digest in sorted(known.items()))


def read_manifest(folder: Path) -> dict[str, str]:
    """File name → SHA-256 in hexadecimal; lines that are no such thing are left out."""
    path = folder / NAME
    if not path.is_file():
        return {}
    found = (LINE.fullmatch(line) for line in path.read_text(errors="replace").splitlines())
    return {match[2]: match[1] for match in found if match}
