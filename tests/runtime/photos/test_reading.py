"""Reading photos: what is a photo's own fault, and what may pass."""

import errno
import os
import re
from pathlib import Path
from typing import NoReturn

import pytest

from runtime import OutOfMemoryError, PhotoError, UnreadableError
from runtime.photos.open_photo import open_photo


def fail_with(error: Exception, function: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a function raise ``error``."""

    def fail(*_: object, **__: object) -> NoReturn:
        raise error

    monkeypatch.setattr(function, fail)


@pytest.mark.parametrize("function", ["runtime.photos.reading.os.open", "PIL.Image.open"])
@pytest.mark.parametrize("name", ["EACCES", "EMFILE", "ENFILE", "EIO", "ESTALE", "ETIMEDOUT", "EHOSTDOWN"])
def test_errors_of_the_system_may_pass(name: str, function: str, photo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pillow gets such an error when it loads the module of a decoder."""
    number = getattr(errno, name)
    fail_with(OSError(number, os.strerror(number)), function, monkeypatch)
    with pytest.raises(UnreadableError, match=re.escape(os.strerror(number))) as caught:
        open_photo(photo)
    assert caught.value.passing


def test_decoder_that_cannot_be_loaded_is_not_the_fault_of_the_photo(
    photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail_with(
        ImportError("libheif.so: cannot open shared object file: Too many open files"), "PIL.Image.open", monkeypatch
    )
    with pytest.raises(UnreadableError, match="libheif"):
        open_photo(photo)


def test_errors_of_the_photo_do_not_pass(photo: Path) -> None:
    content = photo.read_bytes()
    for bad in (
        b"no photo",
        b"",
        content[:200],
        photo.parent / "missing.jpg",
        photo.parent,
        photo / "x",
        "\0",
        "x" * 999,
    ):
        with pytest.raises(PhotoError) as refused:
            open_photo(bad)
        assert not refused.value.passing
    assert OutOfMemoryError("no memory").passing


def test_sources_that_need_advice(photo: Path) -> None:
    for address in ("https://flowers.example/rose.jpg", "FTP://x/rose.jpg", "data:image/png;base64," + "A" * 9999):
        with pytest.raises(PhotoError, match="addresses are not downloaded") as caught:
            open_photo(address)
        assert len(str(caught.value)) < 200
    with photo.open("rb") as file:
        open_photo(file)
        with pytest.raises(PhotoError, match=r"call seek\(0\)"):
            open_photo(file)


def test_too_little_memory_for_a_photo_may_pass(photo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runtime.photos.rgb._to_rgb", lambda *_: bytearray(2**60))
    with pytest.raises(OutOfMemoryError, match="not enough memory") as caught:
        open_photo(photo)
    assert caught.value.passing


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="open files are counted on Linux")
def test_a_folder_is_refused_and_left_closed(tmp_path: Path) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(3):
        with pytest.raises(PhotoError, match="is a folder"):
            open_photo(tmp_path)
    assert len(list(Path("/proc/self/fd").iterdir())) == before
