"""What folders hold beside photos: entries that systems make, and pictures in formats that are not read.

Everything that looks for photos in folders uses these rules: the search of the runtime, and the class folders of the
training.
"""

import os
from collections import Counter

from runtime.photos.formats import HEIC, HEIC_PACKAGE

SYSTEM_NAMES = frozenset(
    {
        "@eadir", "@tmp", "#recycle", "#snapshot",  # Synology
        "@recycle", "@recently-snapshot",  # QNAP
        "$recycle.bin", "recycler", "system volume information", "found.000", "thumbs.db", "ehthumbs.db",  # Windows
        "desktop.ini",
        "lost+found",  # ext4
        "__macosx", "icon\r", "network trash folder", "temporary items",  # macOS
    }
)  # fmt: skip
"""Files and folders that storage devices and systems make, in lower case. Some hold small copies of the photos beside
them, or photos that were deleted."""

OTHER_PICTURES = frozenset(
    {
        ".heic", ".heif", ".hif",  # phones
        ".3fr", ".arw", ".cr2", ".cr3", ".crw", ".dng", ".erf", ".iiq", ".kdc", ".mrw", ".nef", ".nrw", ".orf",  # raw
        ".pef", ".raf", ".raw", ".rw2", ".rwl", ".sr2", ".srf", ".srw", ".x3f",  # data of cameras
        ".jp2", ".j2k", ".jxl", ".jxr", ".dib", ".ico", ".exr", ".hdr", ".ppm", ".pgm",
        ".tga", ".eps", ".psd", ".svg", ".xcf",
    }
)  # fmt: skip
"""Endings of files that look like photos. Those of them that `runtime.photos.formats` reads are not left out."""


def is_system_name(name: str) -> bool:
    """Return whether a system gives this name to a file or folder, so that it is neither a photo nor holds any."""
    return name.casefold() in SYSTEM_NAMES


def is_never_photo(name: str) -> bool:
    """Return whether a file or folder of this name is passed over: it is hidden, or `is_system_name`."""
    return name.startswith(".") or is_system_name(name)


def suffix_of(name: str) -> str:
    """Return the ending of the name of a file from its last dot on, in lower case; empty without a dot."""
    return os.path.splitext(name)[1].lower()  # noqa: PTH122 (a Path object for each file costs time)


def left_out_message(left_out: Counter[str]) -> str:
    """Return one line about the pictures that were left out.

    Args:
        left_out: file name ending → number of files; not empty.
    """
    kinds = ", ".join(f"{number:,} {suffix}" for suffix, number in left_out.most_common())
    install = (
        f"; to read {HEIC.suffixes[0]}, run: pip install {HEIC_PACKAGE}" if left_out.keys() & set(HEIC.suffixes) else ""
    )
    return f"pictures that are left out, because their format is not read: {kinds}; save them as JPEG{install}"
