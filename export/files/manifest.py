"""The manifest ``SHA256SUMS`` in the folder of the model files, in the format of ``sha256sum``."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from runtime.files.atomic import write_text
from runtime.files.digest import file_digest

NAME = "SHA256SUMS"
LINE = re.compile(r"([0-9a-f]{64}) [ *]([^/\\]+)")


def write_manifest(paths: Iterable[Path]) -> None:
    """Put the digests of ``paths`` into the manifests of their folders. Lines of other files stay."""
    for path in paths:
        write_text(path.parent / NAME, manifest_text(path.parent, {path.name: file_digest(path)}))


def manifest_text(folder: Path, digests: Mapping[str, str]) -> str:
    """Return the manifest of ``folder`` with ``digests`` (file name → SHA-256) added. Lines of other files stay."""
    entries = {**read_manifest(folder), **digests}
    return "".join(f"{digest}  {name}\n" for name, digest in sorted(entries.items()))


def read_manifest(folder: Path) -> dict[str, str]:
    """Return file name → SHA-256 in hexadecimal. Lines in another format are ignored; no manifest gives no entries."""
    path = folder / NAME
    if not path.is_file():
        return {}
    matches = (LINE.fullmatch(line) for line in path.read_text(errors="replace").splitlines())
    return {match[2]: match[1] for match in matches if match}
