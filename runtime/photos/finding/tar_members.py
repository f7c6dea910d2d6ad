"""The photos in a tar file, found without unpacking it. Nothing in a tar file is trusted.

The names of its members are only text: no file is made from them.
"""

import os
import stat
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

from runtime.errors import MissingPhotoError, PhotoError
from runtime.photos.finding.excluded import NOTHING_EXCLUDED, Excluded
from runtime.photos.finding.left_out import OTHER_PICTURES, is_never_photo, suffix_of
from runtime.photos.finding.tar_headers import TarMember, regular_members
from runtime.photos.formats import SUFFIXES
from runtime.photos.reading import open_without_waiting, unreadable

TAR_SUFFIX = ".tar"
COMPRESSED = {
    (".tar.gz", ".tgz"): (b"\x1f\x8b", "gunzip"),
    (".tar.bz2", ".tbz2", ".tbz"): (b"BZh91AY&SY", "bunzip2"),
    (".tar.xz", ".txz"): (b"\xfd7zXZ\0", "unxz"),
    (".tar.zst", ".tzst"): (b"\x28\xb5\x2f\xfd", "unzstd"),
}
"""Endings of compressed tar files → how the files begin, and the program that unpacks them."""
TAR_SUFFIXES = frozenset({TAR_SUFFIX, *(suffix for suffixes in COMPRESSED for suffix in suffixes)})
"""Endings of the names of tar files, in lower case."""


def is_tar(name: str) -> bool:
    """Return whether a name ends as those of tar files do, compressed ones among them."""
    return name.lower().endswith(tuple(TAR_SUFFIXES))


def photos_in_tar(
    path: str, left_out: Counter[str] | None = None, *, excluded: Excluded = NOTHING_EXCLUDED
) -> Iterator[TarMember]:
    """Yield the photos in a tar file in its order, found by suffix, with the same rules as for the photos in a folder.

    Args:
        path: of the tar file.
        left_out: as for `runtime.photos.finding.listing.photos_below`.
        excluded: is compared with the paths inside the tar file.

    Raises:
        PhotoError: there is no such tar file, it is compressed, or damaged. What was found before is yielded first.
        UnreadableError: the system cannot read it now.
    """
    suffixes = tuple(SUFFIXES)
    with opened_tar(path) as (file, status):
        _refuse_compressed(file, path)
        for member in regular_members(file, status.st_size, path):
            parts = member.name.split("/")
            if any(is_never_photo(part) for part in parts if part not in (".", "..")) or excluded.matches(member.name):
                continue
            if parts[-1].lower().endswith(suffixes):
                yield member
            elif left_out is not None and (suffix := suffix_of(parts[-1])) in OTHER_PICTURES:
                left_out[suffix] += 1


@contextmanager
def opened_tar(path: str) -> Iterator[tuple[BinaryIO, os.stat_result]]:
    """Open a tar file, and yield it with its status at that time.

    Raises:
        PhotoError: there is no such file.
        UnreadableError: the system cannot read it now. An error of the system in the context becomes one.
    """
    try:
        with open(path, "rb", opener=open_without_waiting) as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise PhotoError(f"{path}: not a file")
            yield file, status
    except FileNotFoundError:
        raise MissingPhotoError(f"{path}: no such file") from None
    except (OSError, ValueError) as error:
        raise unreadable(path, error) from None


def _refuse_compressed(file: BinaryIO, path: str) -> None:
    start = file.read(max(len(magic) for magic, _ in COMPRESSED.values()))
    for suffixes, (magic, program) in COMPRESSED.items():
        if path.lower().endswith(suffixes) or start.startswith(magic):
            raise PhotoError(f"{path}: a compressed tar file; unpack it first: {program}")
