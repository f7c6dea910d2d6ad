"""`ArchivePhoto`: where the bytes of one photo of an archive are."""

from dataclasses import dataclass

from runtime.errors import FlowerError


@dataclass(frozen=True, slots=True)
class ArchivePhoto:
    """A photo in an archive: a file, a member of a tar file, or an object of a store; or why there is none."""

    name: str
    """As it stands in the table. That of a member of a tar file is ``photos.tar/folder/name.jpg``."""
    container: str = ""
    """The path of the tar file that holds the photo; empty if it is a file of its own, whose path is `name`."""
    offset: int = 0
    """Where the photo begins in its tar file, in bytes."""
    size: int = 0
    """Bytes."""
    modified_ns: int = 0
    """Time of the last change, in nanoseconds since 1970: of the file, or of the tar file that holds the photo."""
    error: FlowerError | None = None
    """Why the photo cannot be read. Size and time are 0 then."""
