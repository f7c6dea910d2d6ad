"""A store for arrays that are computed once: a memory-mapped file of numbered slots, which outlives the process.

Its content is verified. The file name contains a digest of everything that the content depends on, so with other
weights, photographs or settings the store is another one, beside the first. Each slot has a checksum, so a slot that
was half-written when the process was killed counts as empty. Deleting the files costs only the time to compute the
arrays again. Stores that no process has open are deleted, the longest unused first, if a folder gets too large.
"""

import hashlib
import json
import mmap
import os
import re
import zlib
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

import numpy as np

from runtime.files.lock import lock_file

_INDEX_NAME = re.compile(r".+-[0-9a-f]{16}\.index")
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
        folder_bytes: int | None = None,
        report: Callable[[str], None] = print,
    ) -> None:
        """Open or create the store.

        Args:
            folder: created if it does not exist.
            name: first part of the file names.
            identity: JSON values; everything that the arrays depend on.
            dtype: of the arrays.
            slots: number of slots.
            slot_bytes: size of the largest array.
            max_bytes: size of the store; slots beyond it are never stored.
            folder_bytes: size of all stores in ``folder``. Others are deleted until this one has room, except those
                that a process has open. None: no limit.
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
            self._disable_on_error(lambda: self._create(folder_bytes))

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

    def _create(self, folder_bytes: int | None) -> None:
        folder = self._index_path.parent
        folder.mkdir(parents=True, exist_ok=True)
        if folder_bytes is not None:
            _make_room(folder, folder_bytes - self.slots * self._slot_bytes, keep=self._index_path)
        # Sparse files: they use disk space only where something has been written.
        for path, size in (
            (self._data_path, self.slots * self._slot_bytes),
            (self._index_path, self.slots * _ENTRY.itemsize),
        ):
            with path.open("ab") as file:
                if file.tell() != size:
                    file.truncate(size)
        os.utime(self._index_path)  # its time is that of the last use
        self._open()

    def _open(self) -> None:
        """Open the files in this process. Loader processes inherit this object, but must not share its file handles."""
        if self._opened_by_process == os.getpid():
            return
        self._data_file = self._data_path.open("r+b", buffering=0)
        self._index_file = self._index_path.open("r+b", buffering=0)
        _lock(self._index_file, exclusively=False)
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


def _make_room(folder: Path, max_bytes: int, *, keep: Path) -> None:
    """Delete the stores in ``folder`` that were not used for the longest time, until all have ``max_bytes`` at most.

    The store with the index ``keep`` is not counted. Stores that a process has open are counted, but never deleted.
    """
    stores = []
    for path in folder.glob("*.index"):
        if _INDEX_NAME.fullmatch(path.name) and path != keep:
            with suppress(OSError):  # another process deletes it at the same time
                stores.append((path.stat().st_mtime, _disk_bytes(path) + _disk_bytes(path.with_suffix(".data")), path))
    total = sum(size for _, size, _ in stores)
    for _, size, path in sorted(stores):
        if total <= max_bytes:
            return
        with suppress(OSError), path.open("rb") as file:  # of another user, or not there any more
            if _lock(file, exclusively=True):
                path.with_suffix(".data").unlink(missing_ok=True)
                path.unlink()
                total -= size


def _disk_bytes(path: Path) -> int:
    """Return the space that a file uses on the disk. The files are sparse: their size says nothing."""
    status = path.stat()
    return status.st_blocks * 512 if hasattr(status, "st_blocks") else status.st_size


def _lock(file: IO[bytes], *, exclusively: bool) -> bool:
    """Mark a store as open until ``file`` is closed, together with other processes, or ``exclusively``.

    Returns:
        Whether that is so; False if another process has the store open, or the file system has no locks.
    """
    try:
        return lock_file(file.fileno(), shared=not exclusively)
    except OSError:
        return False


def _write(file: Any, content: bytes, offset: int) -> None:
    """Write all of ``content``.

    On a full disk this raises `OSError`, where a write to mapped memory would end the process with a signal.
    """
    file.seek(offset)
    written = 0
    while written < len(content):
        written += file.write(content[written:])
