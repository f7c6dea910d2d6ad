"""The optimised form of a model file, kept in the user's cache folder.

onnxruntime rewrites the graph of a model whenever it opens the file, which takes longer than all else that opening
does. The result, in onnxruntime's own format, opens without that and is read from the disk only as far as it is used.

The name of a form says what it was made from: the identity of the model file (device, inode, size, times of change, as
in git's index), a checksum of the file's end, the versions of onnxruntime and of this package, and the processor. The
end holds the metadata with the digests of the training. A digest of the whole file would have to be computed at every
start.
"""

import os
import stat
import sys
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import onnxruntime

from runtime.distribution import __version__
from runtime.files.atomic import atomic_file
from runtime.inference.int8_overflow import int8_products_overflow

CACHE_VARIABLE = "FLOWER_EDGE_CACHE"
"""Environment variable with the cache folder; empty for none."""
PREFIX, SUFFIX = "flower-edge-form-", ".ort"
END_BYTES = 64 * 1024
LEAST_BYTES = 2 * 1024**2
"""Smaller model files open in milliseconds anyway."""
MOST_FORMS = 8
"""When another form is written, the oldest beyond this number are deleted, whatever their size."""
LEFTOVER_SECONDS = 3600
"""Age after which a temporary file belongs to a process that was killed."""
PROCESSOR = Path("/proc/cpuinfo")
PROCESSOR_KEYS = (
    *("vendor_id", "cpu family", "model", "stepping", "flags"),
    *("CPU implementer", "CPU architecture", "CPU variant", "CPU part", "Features"),
)
"""What tells one kind of processor from another (x86, Arm). The clock rate, which changes, is not among them."""
MAPPED = {
    "session.use_memory_mapped_ort_model": "1",
    "session.use_ort_model_bytes_directly": "1",
    "session.use_ort_model_bytes_for_initializers": "1",
}
"""Options with which onnxruntime uses the weights in the mapped file, without a copy."""


def form_path(model: Path) -> Path | None:
    """Return where the optimised form of a model file is or would be; None if there is none for this file or user."""
    folder = cache_folder()
    if folder is None or model.suffix.lower() == SUFFIX:
        return None
    try:
        found = model.stat()
        if not stat.S_ISREG(found.st_mode) or found.st_size < LEAST_BYTES:
            return None
        with model.open("rb") as file:
            file.seek(-min(END_BYTES, found.st_size), os.SEEK_END)
            end = zlib.crc32(file.read())
    except (OSError, ValueError):  # `check_model_file` says what is wrong
        return None
    numbers = (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns, end)
    identity = "-".join(f"{number:x}" for number in numbers)
    return folder / f"{PREFIX}{identity}-{onnxruntime.__version__}-{__version__}-{_processor()}{SUFFIX}"


def cache_folder() -> Path | None:
    """Return the folder of optimised forms; None if the user wants none or has no home."""
    given = os.environ.get(CACHE_VARIABLE)
    if given is not None:
        return Path(given) if given else None
    try:
        if sys.platform == "win32":
            base = Path(os.environ["LOCALAPPDATA"])
        elif sys.platform == "darwin":
            base = Path.home() / "Library" / "Caches"
        else:
            base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    except (KeyError, RuntimeError):
        return None
    # The specification of XDG says that relative paths are to be ignored.
    return base / "flower-edge" if base.is_absolute() else None


def is_trusted(form: Path) -> bool:
    """Return whether a form exists, and only this user can have written it."""
    try:
        return form.is_file() and all(_is_private(path) for path in (form.parent, form))
    except OSError:
        return False


@contextmanager
def kept_form(form: Path, options: onnxruntime.SessionOptions) -> Iterator[None]:
    """Let a session that is made inside write its optimised form.

    Args:
        form: where. Two processes may write it at the same time; each renames a complete file.
        options: of the session; are changed.

    Raises:
        OSError: the folder cannot be made or written.
    """
    # With sudo and the home of the user, root would make folders that the user cannot write.
    existing = next(folder for folder in form.parents if folder.exists())
    if not _is_own(existing):
        raise PermissionError(f"{existing}: belongs to another user")
    # Private from the start: who can write a form decides what the network answers.
    form.parent.parent.mkdir(parents=True, exist_ok=True)
    form.parent.mkdir(mode=0o700, exist_ok=True)
    if not _is_private(form.parent):
        raise PermissionError(f"{form.parent}: other users can write there")
    with atomic_file(form) as temporary:
        temporary.chmod(0o600)
        options.add_session_config_entry("session.save_model_format", "ORT")
        options.optimized_model_filepath = os.fspath(temporary)
        yield
    _delete_old(form)


def _is_own(path: Path) -> bool:
    # Windows has no numbers of users. There, the user's folder is private by its access list.
    return not hasattr(os, "getuid") or path.stat().st_uid == os.getuid()


def _is_private(path: Path) -> bool:
    return _is_own(path) and (not hasattr(os, "getuid") or not path.stat().st_mode & 0o022)


def _processor() -> str:
    """Return a short name of the kind of processor: forms of one kind can be wrong or slow on another."""
    machine = os.uname().machine if hasattr(os, "uname") else os.environ.get("PROCESSOR_ARCHITECTURE", "")
    description = [sys.platform, machine]
    try:
        with PROCESSOR.open(encoding="utf-8", errors="replace") as file:
            for line in file:
                key, _, value = line.partition(":")
                if not value:
                    break  # the end of the first processor
                if key.strip() in PROCESSOR_KEYS:
                    description.append(value)
    except OSError:  # not Linux
        description += [os.environ.get("PROCESSOR_IDENTIFIER", ""), str(int8_products_overflow())]
    return f"{zlib.crc32(' '.join(description).encode()):08x}"


def _delete_old(form: Path) -> None:
    """Delete the forms that are too many, and temporary files of killed processes."""
    with suppress(OSError):
        forms = sorted(form.parent.glob(f"{PREFIX}*{SUFFIX}"), key=lambda path: path.stat().st_mtime, reverse=True)
        for old in forms[MOST_FORMS:]:
            old.unlink(missing_ok=True)
        for leftover in form.parent.glob(f".{PREFIX}*{SUFFIX}.*.tmp"):
            if time.time() - leftover.stat().st_mtime > LEFTOVER_SECONDS:
                leftover.unlink(missing_ok=True)
