"""Downloading Oxford 102 Flowers and ImageNet weights.

The addresses and checksums are torchvision's. In contrast to torchvision, this module continues interrupted downloads,
unpacks archives safely, and lets one process at a time download a file.
"""

import http.client
import shutil
import tarfile
import tempfile
import urllib.error
import urllib.request
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from filelock import FileLock
from tqdm import tqdm

from finetune.data.dataset import is_dataset
from finetune.data.split import DataError
from finetune.data.what_is_there import OXFORD_FOLDER, no_data_set_message
from finetune.torchvision_import import Flowers102, models
from runtime.files.digest import file_digest

CHUNK = 1024**2
TIMEOUT_S = 30
UNPACKING_PREFIX = ".unpacking-"
"""Prefix of the name of the temporary folder that images are unpacked into."""
MAX_DOWNLOAD_BYTES = 1024**3
MAX_UNPACKED_BYTES = 2 * 1024**3
BASE_ADDRESS: str = Flowers102._download_url_prefix
WEIGHTS_ADDRESS: str = models.ResNet50_Weights.IMAGENET1K_V2.url
FILES: dict[str, tuple[str, str]] = Flowers102._file_dict


def ensure_dataset(
    data: Path, *, download: bool = True, base_address: str = BASE_ADDRESS, report: Callable[[str], None] = print
) -> None:
    """Download Oxford 102 Flowers to ``data/flowers-102``, unless there is a data set at ``data``.

    Args:
        data: the folder of the data set.
        download: whether a download is wanted. A folder that the user named may be mistyped, or hold other photographs.
        base_address: URL of the published files, up to the file name.
        report: receives a line before a download starts.

    Raises:
        DataError: no network, or the received files are not the published ones; or there is no data set and
            ``download`` is false.
    """
    if is_dataset(data):
        return
    if not download:
        raise DataError(no_data_set_message(data))
    folder = data / OXFORD_FOLDER
    with _exclusive(folder):
        if is_dataset(data):
            return
        report(f"data     not at {data}; downloading Oxford 102 Flowers to {folder}")
        archive_name, archive_md5 = FILES["image"]
        for name, md5 in (FILES["label"], FILES["setid"]):
            fetch(base_address + name, folder / name, "md5", md5)
        if not (folder / "jpg").is_dir():
            archive = folder / archive_name
            fetch(base_address + archive_name, archive, "md5", archive_md5)
            unpack_images(archive, folder)


def ensure_weights(*, address: str = WEIGHTS_ADDRESS) -> Path:
    """Return the file of torchvision's ImageNet weights for ResNet-50. It is downloaded once, to `torch.hub`'s folder.

    Raises:
        DataError: no network, or the received file is not the published one.
    """
    name = address.rpartition("/")[2]
    target = Path(torch.hub.get_dir(), "checkpoints", name)
    # torch's convention: the file's name ends with the first digits of its SHA-256.
    digest = name.rpartition("-")[2].partition(".")[0]
    # A download gets its final name only when it is complete, so an existing file needs no lock. The lock file would be
    # in the same folder, which may be read-only.
    if not is_published(target, "sha256", digest):
        with _exclusive(target.parent):
            fetch(address, target, "sha256", digest)
    return target


@contextmanager
def _exclusive(folder: Path) -> Iterator[None]:
    """Let one process at a time download to ``folder``; the others wait until it has finished."""
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / ".downloading.lock"):
        yield


def fetch(address: str, target: Path, algorithm: str, digest: str) -> None:
    """Download ``address`` to ``target`` unless it is there. An interrupted download continues where it stopped.

    Args:
        address: URL of the file.
        target: where the complete file goes; an incomplete one has the suffix ``.part``.
        algorithm: name of a hash of `hashlib`.
        digest: the file's digest in hexadecimal, or its first digits.

    Raises:
        DataError: the server cannot be reached, or the content does not have the digest.
    """
    if is_published(target, algorithm, digest):
        return
    if target.is_file():
        raise DataError(f"{target}: differs from the published file; move it away, or complete the data set")
    part = target.with_name(target.name + ".part")
    try:
        _continue_download(address, part)
    except (urllib.error.URLError, http.client.HTTPException, OSError, ValueError) as error:
        reason = getattr(error, "reason", None) or error
        raise DataError(
            f"{address}: cannot be downloaded ({reason}); run the same command again to continue, "
            f"or copy the file to {target}"
        ) from None
    if not file_digest(part, algorithm).startswith(digest):
        part.unlink()
        raise DataError(
            f"{address}: the received file is not the published one (wrong checksum); run the command again"
        )
    part.replace(target)


def is_published(path: Path, algorithm: str, digest: str) -> bool:
    """Return whether ``path`` is a file whose digest starts with ``digest``."""
    return path.is_file() and file_digest(path, algorithm).startswith(digest)


def _continue_download(address: str, part: Path) -> None:
    done = part.stat().st_size if part.exists() else 0
    if not address.startswith(("https://", "http://")):
        raise ValueError("not an http address")
    # S310: the scheme has been checked.
    request = urllib.request.Request(address, headers={"Range": f"bytes={done}-"} if done else {})  # noqa: S310
    try:
        response = urllib.request.urlopen(request, timeout=TIMEOUT_S)  # noqa: S310  (as above)
    except urllib.error.HTTPError as error:
        if error.code == 416 and done:  # nothing is left to send; the checksum decides whether the part is complete
            return
        raise
    with response:
        resumed = response.status == 206
        length = response.headers.get("Content-Length")
        total = int(length) + (done if resumed else 0) if length else None
        with (
            part.open("ab" if resumed else "wb") as file,
            tqdm(
                desc=part.stem,
                total=total,
                initial=done if resumed else 0,
                unit="B",
                unit_scale=True,
                disable=None,
            ) as bar,
        ):
            while block := response.read(CHUNK):
                if file.tell() > MAX_DOWNLOAD_BYTES:
                    raise ValueError(f"the server sends more than {MAX_DOWNLOAD_BYTES // 1024**2} MB")
                file.write(block)
                bar.update(len(block))
            if total is not None and file.tell() < total:
                raise ConnectionError(f"connection lost after {file.tell():,} of {total:,} bytes")


def unpack_images(archive: Path, folder: Path) -> None:
    """Unpack the archive's ``jpg`` folder to ``folder/jpg``, which appears only when it is complete.

    The caller must have exclusive access to ``folder``.

    Raises:
        DataError: the archive is damaged or too large, or has paths outside the folder; or the disk is full.
    """
    if not hasattr(tarfile, "data_filter"):
        raise DataError("this Python cannot unpack archives safely; use Python 3.11.4 or newer")
    for leftover in folder.glob(f"{UNPACKING_PREFIX}*"):  # left by a killed process
        shutil.rmtree(leftover, ignore_errors=True)
    temporary = Path(tempfile.mkdtemp(prefix=UNPACKING_PREFIX, dir=folder))
    try:
        with tarfile.open(archive) as tar:
            members = tar.getmembers()
            if sum(member.size for member in members) > MAX_UNPACKED_BYTES:
                raise DataError(
                    f"{archive}: unpacks to more than {MAX_UNPACKED_BYTES // 1024**3} GB; download it again"
                )
            for member in tqdm(members, desc="unpacking", unit="file", disable=None):
                tar.extract(member, temporary, filter="data")
        if not (temporary / "jpg").is_dir():
            raise DataError(f"{archive}: has no folder jpg; download it again")
        (temporary / "jpg").rename(folder / "jpg")
    except OSError as error:
        # gzip also reports a damaged archive as an OSError, but without an error number.
        if error.errno is not None:
            raise DataError(f"{folder}: cannot be written ({error.strerror}); free disk space and try again") from None
        raise DataError(f"{archive}: cannot be unpacked ({error}); delete it and download again") from None
    except (tarfile.TarError, zlib.error, EOFError) as error:
        raise DataError(f"{archive}: cannot be unpacked ({error}); delete it and download again") from None
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
