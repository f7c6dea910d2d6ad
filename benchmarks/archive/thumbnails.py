"""Small pictures of photos of an archive, from files and from tar files."""

import base64
import io
from collections.abc import Iterator, Mapping
from pathlib import Path

from PIL import Image, ImageOps

from runtime.errors import FlowerError
from runtime.photos.finding.tar_members import is_tar
from runtime.photos.open_photo import open_photo
from runtime.services.archive.sources.listing import list_archive
from runtime.services.archive.sources.photo import ArchivePhoto
from runtime.services.archive.sources.reading import read_archive_photo

SIDE = 128
"""Pixels."""
QUALITY = 75
"""Of the JPEG."""


def thumbnails(names: Mapping[int, str]) -> Iterator[tuple[int, str | None]]:
    """Yield the number of each photo with its picture as a data URI, or None if the photo cannot be read now.

    Args:
        names: number of a photo → its name in a table of answers. A relative one begins in the working folder.
    """
    in_tars: dict[str, dict[str, list[int]]] = {}
    for number, name in names.items():
        if (tar := _tar_of(name)) is None:
            yield number, _thumbnail(ArchivePhoto(name))
        else:
            in_tars.setdefault(tar, {}).setdefault(name, []).append(number)
    for tar, wanted in in_tars.items():
        # Each tar file is gone through once, because it has no list of its members.
        for photo in list_archive([tar]):
            if photo.name in wanted and photo.error is None:
                picture = _thumbnail(photo)
                for number in wanted.pop(photo.name):
                    yield number, picture
            if not wanted:
                break
        for numbers in wanted.values():
            for number in numbers:
                yield number, None


def _tar_of(name: str) -> str | None:
    """Return the tar file in which a photo is, or None."""
    for end, character in enumerate(name):
        if character == "/" and is_tar(name[:end]) and _is_file(name[:end]):
            return name[:end]
    return None


def _is_file(name: str) -> bool:
    try:
        return Path(name).is_file()
    except (OSError, ValueError):
        return False


def _thumbnail(photo: ArchivePhoto) -> str | None:
    try:
        picture = ImageOps.fit(open_photo(read_archive_photo(photo), min_side=SIDE), (SIDE, SIDE), Image.Resampling.BOX)
    except FlowerError:
        return None
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=QUALITY, optimize=True)
    return "data:image/jpeg;base64," + base64.b64encode(file.getvalue()).decode()
