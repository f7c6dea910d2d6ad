"""What is in a folder and is not answered: the files of systems and programs, and pictures that cannot be read here."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import PurePath

from runtime.photos.formats import FORMATS, HEIC_ADVICE, SUFFIXES

SYSTEM_FOLDERS = frozenset({"@eadir", "@recycle", "@recently-snapshot", "#recycle", "#snapshot", "$recycle.bin",
                            "system volume information", "lost+found", "__macosx"})  # fmt: skip
"""Folders of network drives, Windows, Linux and macOS, in lower case. They hold thumbnails and deleted files."""
OTHER_PICTURES = frozenset({
    ".3fr", ".arw", ".cr2", ".cr3", ".crw", ".dng", ".erf", ".kdc", ".mrw", ".nef", ".nrw", ".orf", ".pef", ".raf",
    ".raw", ".rw2", ".rwl", ".sr2", ".srf", ".srw", ".x3f",
    ".eps", ".ico", ".jp2", ".j2k", ".jxl", ".jxr", ".pbm", ".pcx", ".pgm", ".ppm", ".psd", ".svg", ".tga", ".xcf",
})  # fmt: skip
"""Suffixes of pictures in formats that are not read: the raw files of cameras, and others."""


def belongs_to_the_system(name: str) -> bool:
    """Return whether a file or folder is never a photo of the user nor a class: it is hidden or belongs to a system.

    macOS writes hidden files beside each file (``._photo.jpg``), and Synology's drives a folder ``@eaDir`` of
    thumbnails.

    Args:
        name: of the file or folder, without its parents.
    """
    return name.startswith(".") or name.lower() in SYSTEM_FOLDERS


@dataclass
class LeftOut:
    """Counts of what was passed over in folders."""

    heic: int = 0
    """HEIC photos, whose decoder is not installed."""
    others: Counter[str] = field(default_factory=Counter)
    """Suffix in lower case → pictures in formats that are not read."""
    folder_links: int = 0
    """Links to folders, which are not followed because they can form a cycle."""

    def is_photo(self, name: str) -> bool:
        """Return whether a file is a photo that can be read here, by its name. Counts it if it is another picture."""
        suffix = PurePath(name).suffix.lower()
        if suffix in FORMATS["HEIF"].suffixes and not FORMATS["HEIF"].installed:
            self.heic += 1
            return False
        self.others[suffix] += suffix in OTHER_PICTURES
        return suffix in SUFFIXES

    def sentences(self) -> Iterator[str]:
        """Yield one line for each kind that was left out."""
        if self.heic:
            yield f"{self.heic:,} HEIC photos were left out; {HEIC_ADVICE}"
        if pictures := +self.others:
            kinds = ", ".join(f"{count:,} {suffix}" for suffix, count in pictures.most_common())
            yield f"pictures in formats that are not read were left out ({kinds}); save them as JPEG"
        if self.folder_links:
            yield f"{self.folder_links:,} links to folders were not followed; name these folders themselves"
