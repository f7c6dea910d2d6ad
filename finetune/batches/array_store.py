"""A store for arrays that are computed once: a memory-mapped file of numbered slots, which outlives the process.

Its content is verified. The file name contains a digest of everything that the content depends on, so with other
weights, photographs or settings the store is empty. Each slot has a checksum, so a slot that was half-written when the
process was killed counts as empty. Deleting the files costs only the time to compute the arrays again.
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
"""One entry of the index. ``edition`` is 0 in an empty slot, otherwise the caller's version + 1."""


class ArrayStore:
    """Slots of at most ``slot_bytes`` each, for arrays of one dtype with up to four dimensions.

    A slot holds one version of its array, for example one of several augmented views. Several processes may use the
    store at once: every write goes to a fixed position, first the data, then the entry in the index.
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
        """Open or create the store, and delete stores with the same name and another identity.

        Args:
            folder: created if it does not exist.
            name: first part of the file names.
            identity: JSON values; everything that the arrays depend on.
            dtype: of the arrays.
            slots: number of slots.
            slot_bytes: size of the largest array.
            max_bytes: size of the store; slots beyond it are never stored.
            report: receives one line if the disk is full or read-only. The store is disabled then.
        """
        description = json.dumps([dict(identity), np.dtype(dtype).str, slots, slot_bytes], sort_keys=True)
        digest = hashlib.sha256(description.encode()).hexdigest()[:16]
        self._data_path, self._index_path = folder / f"{name}-{digest}.data", folder / f"{name}-{digest}.index"
        self._dtype = np.dtype(dtype)
        self._slot_bytes = slot_bytes
        self.slots = min(slots, max_bytes // slot_bytes)
        """Number of slots that fit into ``max_bytes``. Slots from this number on are never stored."""
        self._report = report
        self._verified: set[tuple[int, int]] = set()
        self._opened_by_process = -1
        self._disabled = self.slots == 0
        if not self._disabled:
            self._disable_on_error(lambda: self._create(folder, name))

    def contains(self, slot: int, version: int = 0) -> bool:
        """Return whether this version of ``slot`` was written. `get` may still find that it is damaged."""
        if slot >= self.slots or self._disabled:
            return False
        self._disable_on_error(self._open)
        return not self._disabled and int(self._entries[slot]["edition"]) == version + 1

    def get(self, slot: int, version: int = 0) -> np.ndarray | None:
        """Return the array in ``slot``, read-only and memory-mapped; None if it is missing or damaged."""
        if not self.contains(slot, version):
            return None
        entry = self._entries[slot]
        shape = tuple(int(side) for side in entry["shape"] if side)
        size = int(np.prod(shape)) * self._dtype.itemsize
        if not 0 < size <= self._slot_bytes:
            return None
        content = memoryview(self._map)[slot * self._slot_bytes : slot * self._slot_bytes + size]
        if (slot, version) not in self._verified:
            if zlib.crc32(content) != entry["checksum"]:
                return None
            self._verified.add((slot, version))
        return np.frombuffer(content, self._dtype).reshape(shape)

    def put(self, slot: int, array: np.ndarray, version: int = 0) -> None:
        """Write ``array`` to ``slot``, which replaces its old content. Does nothing if the array does not fit."""
        if slot >= self.slots or self._disabled or array.nbytes > self._slot_bytes:
            return
        entry = np.zeros((), _ENTRY)
        content = np.ascontiguousarray(array, self._dtype)
        entry["edition"], entry["checksum"] = version + 1, zlib.crc32(content.data.cast("B"))
        entry["shape"][: array.ndim] = array.shape

        def write() -> None:
            self._open()
            _write(self._data_file, content.tobytes(), slot * self._slot_bytes)
            _write(self._index_file, entry.tobytes(), slot * _ENTRY.itemsize)

        self._disable_on_error(write)

    def _create(self, folder: Path, name: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        for path in folder.glob(f"{name}-????????????????.*"):
            if path not in (self._data_path, self._index_path):
                path.unlink(missing_ok=True)
        # Sparse files: they use disk space only where something has been written.
        for path, size in (
            (self._data_path, self.slots * self._slot_bytes),
            (self._index_path, self.slots * _ENTRY.itemsize),
        ):
            with path.open("ab") as file:
                if file.tell() != size:
                    file.truncate(size)

    def _open(self) -> None:
        """Open the files in this process. Loader processes inherit this object, but must not share its file handles."""
        if self._opened_by_process == os.getpid():
            return
        self._data_file = self._data_path.open("r+b", buffering=0)
        self._index_file = self._index_path.open("r+b", buffering=0)
        self._map = mmap.mmap(self._data_file.fileno(), 0, access=mmap.ACCESS_READ)
        self._entries = np.frombuffer(mmap.mmap(self._index_file.fileno(), 0, access=mmap.ACCESS_READ), _ENTRY)
        self._opened_by_process = os.getpid()

    def _disable_on_error(self, action: Callable[[], None]) -> None:
        try:
            action()
        except OSError as error:
            self._disabled = True
            folder = self._data_path.parent
            self._report(f"cache    {folder}: cannot be written ({error.strerror}); training continues without it")

    def __getstate__(self) -> dict[str, Any]:
        """For loader processes that are spawned: without file handles and ``report``, which cannot be pickled."""
        excluded = ("_data_file", "_index_file", "_map", "_entries", "_report")
        return {name: value for name, value in vars(self).items() if name not in excluded} | {"_opened_by_process": -1}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state, _report=print)


def _write(file: Any, content: bytes, offset: int) -> None:
    """Write all of ``content``.

    On a full disk this raises `OSError`, where a write to mapped memory would end the process with a signal.
    """
    file.seek(offset)
    written = 0
    while written < len(content):
        written += file.write(content[written:])
