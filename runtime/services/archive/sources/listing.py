"""The photos of an archive, in an order that does not change while its files stay the same."""

import os
import stat
from collections import Counter
from collections.abc import Iterator, Sequence

from runtime.errors import FlowerError, MissingPhotoError, PhotoError
from runtime.photos.finding.excluded import NOTHING_EXCLUDED, Excluded
from runtime.photos.finding.listing import list_photos
from runtime.photos.finding.name_list import names_in
from runtime.photos.finding.tar_members import TAR_SUFFIXES, is_tar, photos_in_tar
from runtime.photos.formats import SUFFIXES
from runtime.photos.reading import SHOWN, is_address, unreadable
from runtime.services.archive.sources.photo import ArchivePhoto
from runtime.services.archive.sources.store_photos import is_store_address, list_store


def list_archive(
    arguments: Sequence[str],
    *,
    list_file: str | None = None,
    excluded: Excluded = NOTHING_EXCLUDED,
    left_out: Counter[str] | None = None,
) -> Iterator[ArchivePhoto]:
    """Return the photos of folders, patterns, files, tar files and a list, which are looked for during the iteration.

    The order is that of ``arguments`` and then of the list; that of `runtime.photos.finding.listing.photos_below` in a
    folder; and that of a tar file in the file. A tar file is one whose name ends as in
    `runtime.photos.finding.tar_members.TAR_SUFFIXES`, wherever it is. A name may occur twice.

    Args:
        arguments: as for `runtime.photos.finding.listing.list_photos`, but no standard input; or addresses in a store.
        list_file: as for `runtime.photos.finding.name_list.names_in`. Each name is one photo or tar file.
        excluded: is compared with the paths below folders, with the names in the list as they are written there, and
            with the paths inside tar files. A file among ``arguments`` is always taken.
        left_out: pictures whose format is not read are counted here by suffix.

    Raises:
        FlowerError: an argument is standard input, or the list cannot be opened. During the iteration: the list is
            no list of names, or there is no space to sort the names of a large folder.
    """
    if "-" in arguments:
        raise FlowerError("standard input: a table needs photos with names; give files or folders")
    names = iter(()) if list_file is None else names_in(list_file)
    return _photos(arguments, names, excluded, Counter() if left_out is None else left_out)


def _photos(
    arguments: Sequence[str], names: Iterator[str], excluded: Excluded, left_out: Counter[str]
) -> Iterator[ArchivePhoto]:
    for argument in arguments:
        if is_store_address(argument):
            yield from list_store(argument, excluded, left_out)
            continue
        for name, photo in list_photos([argument], left_out, excluded=excluded, suffixes=SUFFIXES | TAR_SUFFIXES):
            if isinstance(photo, FlowerError):
                yield ArchivePhoto(name, error=photo)
            else:
                yield from _in_file(name, excluded, left_out)
    for name in names:
        if is_store_address(name):
            if not excluded.matches(name):
                yield from list_store(name, excluded, left_out)
        elif is_address(name):
            yield ArchivePhoto(name, error=PhotoError(f"{name[:SHOWN]}: addresses are not downloaded; give files"))
        elif not excluded.matches(name):
            yield from _in_file(name, excluded, left_out)


def _in_file(name: str, excluded: Excluded, left_out: Counter[str]) -> Iterator[ArchivePhoto]:
    """Yield the photo that a file is, or the photos in a tar file, or an error."""
    try:
        status = os.stat(name)  # noqa: PTH116 (a Path object for each photo costs time)
    except FileNotFoundError:
        yield ArchivePhoto(name, error=MissingPhotoError(f"{name}: no such file"))
        return
    except (OSError, ValueError) as error:
        yield ArchivePhoto(name, error=unreadable(name, error))
        return
    if stat.S_ISDIR(status.st_mode):
        yield ArchivePhoto(name, error=PhotoError(f"{name}: is a folder, not a photo"))
    elif not stat.S_ISREG(status.st_mode):
        yield ArchivePhoto(name, error=PhotoError(f"{name}: not a file"))
    elif is_tar(name):
        yield from _in_tar(name, status.st_mtime_ns, excluded, left_out)
    else:
        yield ArchivePhoto(name, size=status.st_size, modified_ns=status.st_mtime_ns)


def _in_tar(tar: str, modified_ns: int, excluded: Excluded, left_out: Counter[str]) -> Iterator[ArchivePhoto]:
    empty = True
    try:
        for member in photos_in_tar(tar, left_out, excluded=excluded):
            empty = False
            yield ArchivePhoto(f"{tar}/{member.name}", tar, member.offset, member.size, modified_ns)
    except PhotoError as error:
        yield ArchivePhoto(tar, error=error)
    else:
        if empty:
            but = " that are not excluded" if excluded else ""
            yield ArchivePhoto(
                tar, error=PhotoError(f"{tar}: no photos in this tar file{but} ({', '.join(sorted(SUFFIXES))})")
            )
