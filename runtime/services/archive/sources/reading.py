"""Reading the bytes of a photo of an archive, from a file of its own, a tar file or a store."""

import os

from runtime.errors import TruncatedPhotoError, UnreadableError
from runtime.photos.finding.tar_members import opened_tar
from runtime.photos.limits import MAX_BYTES
from runtime.photos.reading import empty_file, not_enough_memory, read_photo, too_large
from runtime.services.archive.sources.photo import ArchivePhoto
from runtime.services.archive.sources.store_photos import is_store_address, read_store_photo


def read_archive_photo(photo: ArchivePhoto) -> bytes:
    """Return the bytes of a photo.

    Args:
        photo: one without an error.

    Raises:
        PhotoError: the photo is missing, empty, or larger than `MAX_BYTES`.
        TruncatedPhotoError: there are no bytes, or the tar file ends before the photo does.
        UnreadableError: the system cannot read it now, or the tar file has changed since it was listed.
    """
    if is_store_address(photo.name):
        return read_store_photo(photo)
    if not photo.container:
        return read_photo(photo.name)[0]
    if photo.size > MAX_BYTES:
        raise too_large(photo.name)
    try:
        with opened_tar(photo.container) as (file, _):
            file.seek(photo.offset)
            content = file.read(photo.size)
            modified_ns = os.fstat(file.fileno()).st_mtime_ns
    except MemoryError:
        raise not_enough_memory(photo.name) from None
    if modified_ns != photo.modified_ns:
        raise UnreadableError(f"{photo.name}: the tar file changed while it was read; run it again")
    if len(content) < photo.size:
        raise TruncatedPhotoError(f"{photo.name}: incomplete (the tar file ends early); copy the tar file again")
    if not content:
        raise empty_file(photo.name)
    return content
