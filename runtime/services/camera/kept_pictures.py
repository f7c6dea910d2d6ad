"""The folder of kept pictures: the frame of each reported answer as JPEG, within a limit of bytes."""

import io
import re
import stat
import time
import unicodedata
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from pathlib import Path

import numpy as np
from PIL import Image

from runtime.errors import FlowerError
from runtime.files.atomic import write_bytes

PREFIX = "flower-edge-"
"""The beginning of the names of kept pictures."""
OWN_NAME = re.compile(r"flower-edge-[0-9]{8}-[0-9]{6}-[0-9]{3}-[a-z0-9-]{1,60}\.jpg")
"""The names of kept pictures. Files with other names are never removed."""
OWN_TEMPORARY_NAME = re.compile(rf"\.{OWN_NAME.pattern}\.[0-9a-f]{{12}}\.tmp")
"""What a process that was killed while it wrote a picture leaves."""
LEFTOVER_AFTER_S = 3600.0
"""A temporary file of this age, seconds, belongs to no process."""
QUALITY = 90
"""Of the JPEG files."""


class KeptPictures:
    """Writes pictures into a folder and removes the oldest ones beyond a limit.

    Args:
        folder: is made if it does not exist.
        most_bytes: of all kept pictures together. The newest one always stays.
        say: shows a line to the user: that pictures cannot be kept, once until it works again.

    Raises:
        FlowerError: the folder cannot be made.
    """

    def __init__(self, folder: Path, most_bytes: int, say: Callable[[str], None]) -> None:
        self.folder = folder.absolute()
        self._most_bytes, self._say = most_bytes, say
        self._failing = False
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise FlowerError(f"{folder}: no folder for pictures ({error.strerror}); name another one") from None

    def keep(self, picture: np.ndarray, label: str) -> Path | None:
        """Write a picture and return its path. Return None if that fails, for example on a full disk.

        Args:
            picture: uint8, shape (height, width, 3), RGB.
            label: what it shows; a part of the name, in lower-case letters, digits and hyphens.
        """
        content = io.BytesIO()
        Image.fromarray(picture).save(content, "JPEG", quality=QUALITY)
        path = self.folder / f"{PREFIX}{datetime.now():%Y%m%d-%H%M%S-%f}"[:-3]
        path = path.with_name(f"{path.name}-{name_part(label)}.jpg")
        try:
            # Room first: on a disk that is nearly full, there is none for the new picture otherwise.
            self._remove_oldest(self._most_bytes - len(content.getbuffer()))
            write_bytes(path, content.getvalue())
        except OSError as error:
            if not self._failing:
                self._say(f"{self.folder}: pictures cannot be kept ({error.strerror or error}); answers go on")
            self._failing = True
            return None
        if self._failing:
            self._say(f"{self.folder}: pictures are kept again")
        self._failing = False
        return path

    def _remove_oldest(self, most_bytes: int) -> None:
        """Remove the oldest pictures until all together have ``most_bytes``."""
        own = []
        for path in self.folder.iterdir():
            with suppress(FileNotFoundError):  # another process may keep pictures here
                if OWN_NAME.fullmatch(path.name):
                    status = path.lstat()
                    if stat.S_ISREG(status.st_mode):
                        own.append((status.st_mtime_ns, path.name, status.st_size))
                elif OWN_TEMPORARY_NAME.fullmatch(path.name) and path.lstat().st_mtime < time.time() - LEFTOVER_AFTER_S:
                    path.unlink()
        total = sum(size for _, _, size in own)
        for _, name, size in sorted(own):
            if total <= most_bytes:
                return
            (self.folder / name).unlink(missing_ok=True)
            total -= size


def name_part(label: str) -> str:
    """Return ``label`` in lower-case letters, digits and hyphens, at most 60 characters, for the name of a file."""
    plain = unicodedata.normalize("NFKD", label).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:60].strip("-") or "flower"
