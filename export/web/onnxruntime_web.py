"""onnxruntime-web: npm downloads its archive once, at a fixed version; this module checks the archive and reads it.

The archive has 33 MB, and the page needs three files of it. It is stored in the user's cache folder.
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

from export.web.errors import NpmError
from runtime.files.atomic import atomic_file

VERSION = "1.30.0"
INTEGRITY = "sha512-q0y+JrrtukXSzsBWEMccVfqX25LRmosXHF+CaRJmg8pZClzcV7svNc4rKY3jL02Vb7QmRMDs1SigqR4CXAfKYQ=="
"""Digest of the archive of `VERSION`, as npm's registry publishes it (W3C, "Subresource Integrity")."""

SCRIPT, LOADER, WASM = "ort.wasm.min.mjs", "ort-wasm-simd-threaded.mjs", "ort-wasm-simd-threaded.wasm"
FILES = (SCRIPT, LOADER, WASM)
"""The smallest set of files that runs a model on the CPU. The builds with WebGPU are twice as large."""

FOLDER = "package/dist/"
_ADVICE = f"download the archive with: npm pack onnxruntime-web@{VERSION}"
"""The end of the messages about an archive that cannot be used."""
MAX_ARCHIVE_BYTES = 128 * 1024**2
MAX_FILE_BYTES = 64 * 1024**2
MAX_UNPACKED_BYTES = 512 * 1024**2


def find_archive(given: Path | None = None) -> Path:
    """Return the archive of `VERSION`: ``given``, or the cached archive, or else download it with npm.

    Raises:
        NpmError: npm is not installed or failed, or the archive is not the published one.
    """
    if given is not None:
        verify_archive(given)
        return given
    cached = _cache_folder() / f"onnxruntime-web-{VERSION}.tgz"
    if cached.is_file():
        try:
            verify_archive(cached)
            return cached
        except NpmError:
            cached.unlink()
    _download(cached)
    return cached


def verify_archive(path: Path, integrity: str = INTEGRITY) -> None:
    """Compare an archive with its published digest.

    Args:
        path: the archive.
        integrity: the digest, in the form ``sha512-BASE64``.

    Raises:
        NpmError: the archive is missing or different.
    """
    algorithm, _, expected = integrity.partition("-")
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, algorithm).digest()
    except OSError as error:
        raise NpmError(f"{path}: cannot be read ({error.strerror or error}); check --onnxruntime-web") from None
    if base64.b64encode(digest).decode() != expected:
        raise NpmError(f"{path}: is not onnxruntime-web {VERSION} as published (wrong {algorithm}); {_ADVICE}")


def read_archive(path: Path, names: Collection[str] = FILES) -> dict[str, bytes]:
    """Return the content of the files ``names`` in the archive's `FOLDER`, file name → content.

    The archive is not trusted: nothing is unpacked to disk, so that no path in it can have an effect; links and files
    that are too large are rejected.

    Raises:
        NpmError: a file is missing, too large or not a regular file, or the archive is damaged.
    """
    contents: dict[str, bytes] = {}
    unpacked_bytes = 0
    try:
        with tarfile.open(path, "r:gz") as tar:
            for member in tar:
                unpacked_bytes += member.size
                if unpacked_bytes > MAX_UNPACKED_BYTES:
                    raise NpmError(f"{path}: unpacks to more than {MAX_UNPACKED_BYTES // 1024**2} MB; {_ADVICE}")
                name = member.name.removeprefix(FOLDER)
                if not member.name.startswith(FOLDER) or name not in names or name in contents:
                    continue
                if not member.isreg() or member.size > MAX_FILE_BYTES:
                    raise NpmError(f"{path}: {member.name} is too large or not a regular file; {_ADVICE}")
                file = tar.extractfile(member)
                if file is None:  # extractfile returns None for what is not a file or a link
                    raise NpmError(f"{path}: {member.name} is not a regular file; {_ADVICE}")
                contents[name] = file.read()
                if len(contents) == len(names):
                    return contents
    except (tarfile.TarError, zlib.error, EOFError, OSError) as error:
        raise NpmError(f"{path}: cannot be unpacked ({error}); {_ADVICE}") from None
    raise NpmError(f"{path}: does not contain {', '.join(sorted(set(names) - set(contents)))}; {_ADVICE}")


def _download(target: Path) -> None:
    """Download the archive with npm, check it, and put it at ``target``."""
    npm = shutil.which("npm")
    if npm is None:
        raise NpmError(
            "npm is not installed, but it is needed to download onnxruntime-web; install Node.js (Debian: apt-get "
            f"install npm), or give the archive of version {VERSION} with --onnxruntime-web FILE"
        )
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        command = [npm, "pack", f"onnxruntime-web@{VERSION}", "--ignore-scripts", "--silent", "--pack-destination"]
        result = subprocess.run([*command, folder], cwd=folder, capture_output=True, text=True)
        archives = sorted(Path(folder).glob("*.tgz"))
        if result.returncode or len(archives) != 1 or archives[0].stat().st_size > MAX_ARCHIVE_BYTES:
            output = (result.stderr.strip() or result.stdout.strip()).splitlines()
            raise NpmError(
                f"npm cannot download onnxruntime-web ({output[0] if output else 'no message'}); check the network, "
                "or give the archive with --onnxruntime-web FILE"
            )
        verify_archive(archives[0])
        with atomic_file(target) as temporary:
            shutil.move(archives[0], temporary)


def _cache_folder() -> Path:
    """The project's folder for files that can be downloaded again (XDG Base Directory Specification)."""
    home = os.environ.get("XDG_CACHE_HOME")
    return (Path(home) if home else Path.home() / ".cache") / "flower-edge"
