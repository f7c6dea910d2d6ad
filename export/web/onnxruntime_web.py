"""onnxruntime-web: fetched once by npm at a pinned version, checked, and read without trust.

The archive is 33 MB, of which the page needs three files; it is kept in the user's cache folder, outside any bundle.
"""

import base64
import hashlib
import os
import shutil
import subprocess
import tarfile
import tempfile
import zlib
from collections.abc import Collection
from pathlib import Path

from runtime.errors import FlowerError
from runtime.files.atomic import atomic_file

VERSION = "1.30.0"
INTEGRITY = "sha512-q0y+JrrtukXSzsBWEMccVfqX25LRmosXHF+CaRJmg8pZClzcV7svNc4rKY3jL02Vb7QmRMDs1SigqR4CXAfKYQ=="
"""Of the archive of `VERSION`, as npm's registry publishes it (W3C Subresource Integrity)."""

SCRIPT, LOADER, WASM = "ort.wasm.min.mjs", "ort-wasm-simd-threaded.mjs", "ort-wasm-simd-threaded.wasm"
FILES = (SCRIPT, LOADER, WASM)
"""The smallest set that runs a model on the CPU: the builds with WebGPU are twice as large."""

FOLDER = "package/dist/"
MAX_ARCHIVE_BYTES = 128 * 1024**2
MAX_FILE_BYTES = 64 * 1024**2
MAX_UNPACKED_BYTES = 512 * 1024**2


class NpmError(FlowerError):
    """onnxruntime-web cannot be had, or is not what was published."""


def archive(given: Path | None = None) -> Path:
    """The archive of the pinned version: the file ``given``, the one kept from last time, or else fetched by npm.

    Raises:
        NpmError: there is no npm, npm failed, or the archive is not the published one.
    """
    if given is not None:
        verify(given)
        return given
    kept = _cache_folder() / f"onnxruntime-web-{VERSION}.tgz"
    if kept.is_file():
        try:
            verify(kept)
            return kept
        except NpmError:
            kept.unlink()
    _fetch(kept)
    return kept


def verify(path: Path, integrity: str = INTEGRITY) -> None:
    """Compare an archive with the digest it was published with.

    Raises:
        NpmError: it is missing, or another file.
    """
    algorithm, _, expected = integrity.partition("-")
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, algorithm).digest()
    except OSError as error:
        raise NpmError(f"{path}: cannot be read ({error.strerror or error})") from None
    if base64.b64encode(digest).decode() != expected:
        raise NpmError(
            f"{path}: is not onnxruntime-web {VERSION} as published (wrong {algorithm}); "
            f"get it with: npm pack onnxruntime-web@{VERSION}"
        )


def read_files(path: Path, names: Collection[str] = FILES) -> dict[str, bytes]:
    """The content of the archive's files ``names``, file name → bytes.

    Nothing is unpacked to disk, so no path in the archive can lead anywhere; links and what is too large are refused.

    Raises:
        NpmError: a file is missing, too large or no plain file, or the archive is damaged.
    """
    found: dict[str, bytes] = {}
    unpacked = 0
    try:
        with tarfile.open(path, "r:gz") as tar:
            for member in tar:
                unpacked += member.size
                if unpacked > MAX_UNPACKED_BYTES:
                    raise NpmError(
                        f"{path}: unpacks to more than {MAX_UNPACKED_BYTES // 1024**2} MB; not npm's archive"
                    )
                name = member.name.removeprefix(FOLDER)
                if not member.name.startswith(FOLDER) or name not in names or name in found:
                    continue
                if not member.isreg() or member.size > MAX_FILE_BYTES:
                    raise NpmError(f"{path}: {member.name} is no plain file of a likely size; not npm's archive")
                content = tar.extractfile(member)
                assert content is not None
                found[name] = content.read()
                if len(found) == len(names):
                    return found
    except (tarfile.TarError, zlib.error, EOFError, OSError) as error:
        raise NpmError(f"{path}: cannot be unpacked ({error}); delete it and run the command again") from None
    raise NpmError(f"{path}: lacks {', '.join(sorted(set(names) - set(found)))}; not an archive of onnxruntime-web")


def _fetch(target: Path) -> None:
    npm = shutil.which("npm")
    if npm is None:
        raise NpmError(
            "npm is not installed, and it fetches onnxruntime-web: install Node.js (Debian: apt-get install npm), "
            f"or give the archive of version {VERSION} with --onnxruntime-web FILE"
        )
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        command = [npm, "pack", f"onnxruntime-web@{VERSION}", "--ignore-scripts", "--silent", "--pack-destination"]
        done = subprocess.run([*command, folder], cwd=folder, capture_output=True, text=True)
        packed = sorted(Path(folder).glob("*.tgz"))
        if done.returncode or len(packed) != 1 or packed[0].stat().st_size > MAX_ARCHIVE_BYTES:
            said = (done.stderr.strip() or done.stdout.strip()).splitlines()
            raise NpmError(
                f"npm cannot fetch onnxruntime-web ({said[0] if said else 'no message'}); check the network, "
                "or give the archive with --onnxruntime-web FILE"
            )
        verify(packed[0])
        with atomic_file(target) as temporary:
            shutil.move(packed[0], temporary)


def _cache_folder() -> Path:
    """Where the system keeps what can be fetched again (XDG Base Directory Specification)."""
    home = os.environ.get("XDG_CACHE_HOME")
    return (Path(home) if home else Path.home() / ".cache") / "flower-edge"
