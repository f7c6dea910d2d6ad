"""How many photos, and how many bytes of them, the service holds at a time."""

from collections.abc import Iterator
from contextlib import contextmanager


class BusyError(Exception):
    """The service holds as many photos, or as many bytes, as it may."""


class Admission:
    """Counts the photos from the first byte of their request until they are answered. Used by the event loop only.

    Args:
        photos: most photos.
        size: most bytes of all photos together. Bytes count when they have arrived, so that a request which only
            announces a large photo keeps no other out.
    """

    def __init__(self, photos: int, size: int) -> None:
        self._photos, self._size = photos, size
        self.held = 0
        """Photos that are being received or wait for their answer."""
        self._held_bytes = 0

    @contextmanager
    def place(self) -> Iterator["Place"]:
        """Take a place for a photo, until the context ends.

        Raises:
            BusyError: all places are taken.
        """
        if self.held >= self._photos:
            raise BusyError
        self.held += 1
        place = Place(self)
        try:
            yield place
        finally:
            self.held -= 1
            self._held_bytes -= place.size

    def _add(self, count: int) -> None:
        if self._held_bytes + count > self._size:
            raise BusyError
        self._held_bytes += count


class Place:
    """The place of one photo."""

    def __init__(self, admission: Admission) -> None:
        self._admission = admission
        self.size = 0
        """Bytes that have arrived."""

    def add(self, count: int) -> None:
        """Count ``count`` bytes more.

        Raises:
            BusyError: the bytes of all photos together are too many.
        """
        self._admission._add(count)
        self.size += count
