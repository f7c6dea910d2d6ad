"""Arrays that are computed once: a memory-mapped file of numbered slots that outlives the process.

Nothing in it is trusted blindly. The file's name carries a digest of everything its content depends on, so that other
weights, photographs or settings find an empty store; each slot carries a checksum, so that a slot half-written when
the process was killed counts as empty. Losing the files costs time and nothing else.
"""

import hashlib
import json
import mmap
import os
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

_ENTRY = np.dtype([("edition", "<u4"), ("checksum", "<u4"), ("shape", "<i4", (4,))])
"""``edition`` is 0 in an empty slot, else one more than the caller's."""


class ArrayStore:
    """Slots of at most ``slot_bytes`` each, for arrays of one dtype and up to four dimensions.

    Safe for several processes at once: writes go to fixed places, data first, its entry in the index afterwards.
    """

    def __init__(
        self,
        folder: Path,
        name: str,
        *,
        identity: Mapping[str, Any],
        dtype: np.typing.DTypeLike,
        slots: int,
        slot_bytes: int,
        max_bytes: int,
        report: Callable[[str], None] = print,
    ) -> None:
        """Open or create the store, and delete stores of this name with another identity.

        Args:
            folder: created if it is not there.
            identity: JSON values; everything that the arrays depend on.
            max_bytes: slots beyond this much are never kept.
            report: is told, once, if the disk is full or read-only. The store then keeps no more.
        """
        described = json.dumps([dict(identity), np.dtype(dtype).str, slots, slot_bytes], sort_keys=True)
        digest = hashlib.sha256(described.encode()).hexdigest()[:16]
        self._data, self._index = folder / f"{name}-{digest}.data", folder / f"{name}-{digest}.index"
        self._dtype = np.dtype(dtype)
        self._slot_bytes = slot_bytes
        self.slots = min(slots, max_bytes // slot_bytes)
        """How many there is room for; slots from this one up are never kept."""
        self._report = report
        self._checked: set[tuple[int, int]] = set()
        self._process = -1
        self._closed = self.slots == 0
        if not self._closed:
            self._attempt(lambda: self._create(folder, name))

    def holds(self, slot: int, edition: int = 0) -> bool:
        """Whether this edition of ``slot`` was written. `get` may still find it damaged."""
        if slot >= self.slots or self._closed:
            return False
        self._attempt(self._open)
        return not self._closed and int(self._entries[slot]["edition"]) == edition + 1

    def get(self, slot: int, edition: int = 0) -> np.ndarray | None:
        """The array in ``slot``, read-only and still in the file; None if it is not there or is damaged."""
        if not self.holds(slot, edition):
            return None
        entry = self._entries[slot]
        shape = tuple(int(side) for side in entry["shape"] if side)
        size = int(np.prod(shape)) * self._dtype.itemsize
        if not 0 < size <= self._slot_bytes:
            return None
        content = memoryview(self._map)[slot * self._slot_bytes : slot * self._slot_bytes + size]
        if (slot, edition) not in self._checked:
            if zlib.crc32(content) != entry["checksum"]:
                return None
            self._checked.add((slot, edition))
        return np.frombuffer(content, self._dtype).reshape(shape)

    def put(self, slot: int, array: np.ndarray, edition: int = 0) -> None:
        """Keep ``array`` in ``slot``, in the place of what was there, if there is room for it."""
        if slot >= self.slots or self._closed or array.nbytes > self._slot_bytes:
            return
        entry = np.zeros((), _ENTRY)
        content = np.ascontiguousarray(array, self._dtype)
        entry["edition"], entry["checksum"] = edition + 1, zlib.crc32(content.data.cast("B"))
        entry["shape"][: array.ndim] = array.shape

        def write() -> None:
            self._open()
            _write(self._data_file, content.tobytes(), slot * self._slot_bytes)
            _write(self._index_file, entry.tobytes(), slot * _ENTRY.itemsize)

        self._attempt(write)

    def _create(self, folder: Path, name: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        for path in folder.glob(f"{name}-????????????????.*"):
            if path not in (self._data, self._index):
                path.unlink(missing_ok=True)
        # Sparse files: they take up what is written into them, not what they are long.
        for path, size in (
            (self._data, self.slots * self._slot_bytes),
            (self._index, self.slots * _ENTRY.itemsize),
        ):
            with path.open("ab") as file:
                if file.tell() != size:
                    file.truncate(size)

    def _open(self) -> None:
        """Open the files in this process: loader processes inherit the object, but must not share its handles."""
        if self._process == os.getpid():
            return
        self._data_file, self._index_file = self._data.open("r+b", buffering=0), self._index.open("r+b", buffering=0)
        self._map = mmap.mmap(self._data_file.fileno(), 0, access=mmap.ACCESS_READ)
        self._entries = np.frombuffer(mmap.mmap(self._index_file.fileno(), 0, access=mmap.ACCESS_READ), _ENTRY)
        self._process = os.getpid()

    def _attempt(self, action: Callable[[], None]) -> None:
        try:
            action()
        except OSError as error:
            self._closed = True
            self._report(f"cache    {self._data.parent}: cannot be written ({error.strerror}); going on without")

    def __getstate__(self) -> dict[str, Any]:
        """For loader processes that are not forks: without handles, and without what reports, which may be local."""
        left_out = ("_data_file", "_index_file", "_map", "_entries", "_report")
        return {name: value for name, value in vars(self).items() if name not in left_out} | {"_process": -1}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state, _report=print)


def _write(file: Any, content: bytes, offset: int) -> None:
    """Write all of ``content``: a full disk is an `OSError` here, where a write to mapped memory would be a crash."""
    file.seek(offset)
    written = 0
    while written < len(content):
        written += file.write(content[written:])
