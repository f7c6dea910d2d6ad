"""`Excluded`: the files and folders that a user leaves out by patterns."""

import os
import re
from collections.abc import Sequence
from fnmatch import fnmatchcase, translate

from runtime.errors import FlowerError

ANY_FOLDERS = "**"
"""The part of a pattern that stands for any number of folders."""


class Excluded:
    """Patterns of files and folders that are left out.

    A pattern without a slash is compared with the name of a file and of each folder above it. One with a slash is
    compared with the path, part by part from its beginning, so that ``*`` stays within one part and ``**`` stands for
    any number of folders. Capitals matter. A folder that matches is left out with all that is in it.

    Args:
        patterns: with ``*``, ``?`` and ``[…]`` as in `fnmatch`, and ``/`` between folders. A slash at the end means
            nothing; ``/raw`` is ``raw`` at the beginning of the path only.

    Raises:
        FlowerError: a pattern is empty.
    """

    def __init__(self, patterns: Sequence[str] = ()) -> None:
        if any(not pattern.strip("/") for pattern in patterns):
            raise FlowerError("a pattern of what to exclude is empty; give a name such as thumbnails or '*_small.jpg'")
        names = [pattern.rstrip("/") for pattern in patterns if "/" not in pattern.rstrip("/")]
        self._name = re.compile("|".join(map(translate, names))) if names else None
        self._paths = [pattern.strip("/").split("/") for pattern in patterns if "/" in pattern.rstrip("/")]

    def __bool__(self) -> bool:
        return self._name is not None or bool(self._paths)

    def matches(self, path: str) -> bool:
        """Return whether a file or folder is left out.

        Args:
            path: below the folder that the user named, with the separators of the system.
        """
        if not self:
            return False
        parts = [part for part in path.replace(os.sep, "/").split("/") if part not in ("", ".")]
        if self._name is not None and any(map(self._name.match, parts)):
            return True
        return any(_begins_with(parts, pattern) for pattern in self._paths)


def _begins_with(parts: Sequence[str], pattern: Sequence[str]) -> bool:
    """Return whether the first parts of a path match all parts of a pattern."""
    if not pattern:
        return True
    if pattern[0] == ANY_FOLDERS:
        return any(_begins_with(parts[start:], pattern[1:]) for start in range(len(parts) + 1))
    return bool(parts) and fnmatchcase(parts[0], pattern[0]) and _begins_with(parts[1:], pattern[1:])


NOTHING_EXCLUDED = Excluded()
