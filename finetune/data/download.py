"""Fetching Oxford 102 Flowers and ImageNet weights: resumed when broken off, checked, unpacked without trust.

The addresses and checksums are torchvision's; what torchvision does not do, resuming, careful unpacking and waiting for
another process that fetches the same, is here.
"""

import http.client
import shutil
import tarfile
import tempfile
import urllib.error
import urllib.request
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from filelock import FileLock
from tqdm import tqdm

from finetune.data.dataset import is_dataset
from finetune.data.split import DataError
from finetune.network.torchvision_import import Flowers102, models
from runtime.files.digest import file_digest

CHUNK = 1024**2
TIMEOUT_S = 30
UNPACKING = ".unpacking-"
"""Begins the name of the folder that images are unpacked in."""
MAX_DOWNLOAD_BYTES = 1024**3
MAX_UNPACKED_BYTES = 2 * 1024**3
BASE_ADDRESS: str = Flowers102._download_url_prefix
WEIGHTS_ADDRESS: str = models.ResNet50_Weights.IMAGENET1K_V2.url
FILES: dict[str, tuple[str, str]] = Flowers102._file_dict


def ensure_dataset(data: Path, *, base_address: str = BASE_ADDRESS) -> None:
    """Download Oxford 102 Flowers to ``data/flowers-102``, unless there is a data set at ``data``.

    Raises:
        DataError: no network, or what arrived is not what Oxford published.
    """
    if is_dataset(data):
        return
    folder = data / "flowers-102"
    with _alone(folder):
        if is_dataset(data):
            return
        print(f"data     not at {data}; downloading Oxford 102 Flowers to {folder}", flush=True)
        archive_name, archive_md5 = FILES["image"]
        for name, md5 in (FILES["label"], FILES["setid"]):
            fetch(base_address + name, folder / name, "md5", md5)
        if not (folder / "jpg").is_dir():
            archive = folder / archive_name
            fetch(base_address + archive_name, archive, "md5", archive_md5)
            unpack_images(archive, folder)


def ensure_weights(*, address: str = WEIGHTS_ADDRESS) -> Path:
    """torchvision's ImageNet weights for ResNet-50, downloaded once to where `torch.hub` keeps such files.

    Raises:
        DataError: no network, or what arrived is not what was published.
    """
    name = address.rpartition("/")[2]
    target = Path(torch.hub.get_dir(), "checkpoints", name)
    # torch's convention: the first digits of the file's SHA-256 stand at the end of its name.
    digest = name.rpartition("-")[2].partition(".")[0]
    # A file that is there is whole: it gets its name last. So it is looked at without the lock, which would have to be
    # written beside it, in a folder that may be read-only.
    if not is_published(target, "sha256", digest):
        with _alone(target.parent):
            fetch(address, target, "sha256", digest)
    return target


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Let one process at a time work on ``folder``; the others wait, and find the work done."""
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / ".downloading.lock"):
        yield


def fetch(address: str, target: Path, algorithm: str, digest: str) -> None:
    """Download ``address`` to ``target`` unless it is there. A broken download goes on where it stopped.

    Args:
        algorithm: of `hashlib`.
        digest: the file's, in hexadecimal, or the first digits of it.

    Raises:
        DataError: the server cannot be reached, or the content does not have the checksum.
    """
    if is_published(target, algorithm, digest):
        return
    if target.is_file():
        raise DataError(f"{target}: is not the file that was published; move it away, or complete the data set")
    part = target.with_name(target.name + ".part")
    try:
        _continue_download(address, part)
    except (urllib.error.URLError, http.client.HTTPException, OSError, ValueError) as error:
        reason = getattr(error, "reason", None) or error
        raise DataError(
            f"{address}: cannot be downloaded ({reason}); run the same command again to go on where it stopped, "
            f"or put the file at {target} yourself"
        ) from None
    if not file_digest(part, algorithm).startswith(digest):
        part.unlink()
        raise DataError(f"{address}: what arrived is not the published file (wrong checksum); run the command again")
    part.replace(target)


def is_published(path: Path, algorithm: str, digest: str) -> bool:
    """Whether ``path`` is a file whose digest begins with ``digest``."""
    return path.is_file() and file_digest(path, algorithm).startswith(digest)


def _continue_download(address: str, part: Path) -> None:
    done = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(address, headers={"Range": f"bytes={done}-"} if done else {})
    try:
        response = urllib.request.urlopen(request, timeout=TIMEOUT_S)
    except urllib.error.HTTPError as error:
        if error.code == 416 and done:  # nothing is left to send: the part is whole, or the checksum will say no
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
                    raise ValueError(f"sends more than {MAX_DOWNLOAD_BYTES // 1024**2} MB")
                file.write(block)
                bar.update(len(block))
            if total is not None and file.tell() < total:
                raise ConnectionError(f"connection lost after {file.tell():,} of {total:,} bytes")


def unpack_images(archive: Path, folder: Path) -> None:
    """Unpack the archive's ``jpg`` folder to ``folder/jpg``, which appears only when it is whole.

    Raises:
        DataError: the archive is damaged, too large, or holds paths that leave the folder; or the disk is full.
    """
    if not hasattr(tarfile, "data_filter"):
        raise DataError("this Python unpacks archives without care; use 3.11.4 or newer")
    for leftover in folder.glob(f"{UNPACKING}*"):  # of a process that was killed: this one is alone in the folder
        shutil.rmtree(leftover, ignore_errors=True)
    temporary = Path(tempfile.mkdtemp(prefix=UNPACKING, dir=folder))
    try:
        with tarfile.open(archive) as tar:
            members = tar.getmembers()
            if sum(member.size for member in members) > MAX_UNPACKED_BYTES:
                raise DataError(f"{archive}: unpacks to more than {MAX_UNPACKED_BYTES // 1024**3} GB; not Oxford's")
            for member in tqdm(members, desc="unpacking", unit="file", disable=None):
                tar.extract(member, temporary, filter="data")
        if not (temporary / "jpg").is_dir():
            raise DataError(f"{archive}: holds no folder jpg; download it again")
        (temporary / "jpg").rename(folder / "jpg")
    except OSError as error:
        # gzip reports a damaged archive as an OSError, too, but one without a number.
        if error.errno is not None:
            raise DataError(f"{folder}: cannot be written ({error.strerror}); free some space and try again") from None
        raise DataError(f"{archive}: cannot be unpacked ({error}); delete it and download again") from None
    except (tarfile.TarError, zlib.error, EOFError) as error:
        raise DataError(f"{archive}: cannot be unpacked ({error}); delete it and download again") from None
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
