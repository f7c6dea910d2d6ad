"""Files with damage that no pixel needs, and JPEG files without their end marker."""

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from runtime.errors import DamagedPhotoError, PhotoError, TruncatedPhotoError
from runtime.photos.open_photo import open_photo

PICTURE = Image.effect_noise((64, 48), 60).convert("RGB")


def encoded(form: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    PICTURE.save(buffer, form, **options)
    return buffer.getvalue()


PNG, JPEG, TIFF = encoded("PNG"), encoded("JPEG", quality=95), encoded("TIFF")


def png_with(kind: bytes, body: bytes, *, crc: int | None = None) -> bytes:
    """Return a PNG with one more chunk after its header."""
    crc = zlib.crc32(kind + body) if crc is None else crc
    return PNG[:33] + struct.pack(">I", len(body)) + kind + body + struct.pack(">I", crc) + PNG[33:]


def long_text() -> bytes:
    text = PngImagePlugin.PngInfo()
    text.add_text("XML:com.adobe.xmp", "history " * 200_000, zip=True)
    return encoded("PNG", pnginfo=text)


def jpeg_with(marker: int, body: bytes) -> bytes:
    return JPEG[:2] + struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body + JPEG[2:]


def tiff_with(tag: int, kind: int, count: int, value: int) -> bytes:
    """Return a TIFF with one more entry in its directory, which is written anew at the end."""
    (start,) = struct.unpack_from("<I", TIFF, 4)
    (number,) = struct.unpack_from("<H", TIFF, start)
    entries = [TIFF[start + 2 + 12 * index : start + 14 + 12 * index] for index in range(number)]
    entries.append(struct.pack("<HHII", tag, kind, count, value))
    entries.sort(key=lambda entry: struct.unpack("<H", entry[:2]))
    directory = struct.pack("<H", number + 1) + b"".join(entries) + bytes(4)
    return TIFF[:4] + struct.pack("<I", len(TIFF)) + TIFF[8:] + directory


@pytest.mark.parametrize(
    ("content", "original"),
    [
        pytest.param(long_text(), PNG, id="PNG, long text"),
        *[pytest.param(png_with(kind, b"abc\0\0", crc=1), PNG, id=f"PNG, wrong CRC of {kind.decode()}")
          for kind in (b"tEXt", b"iCCP", b"gAMA", b"eXIf", b"acTL", b"fcTL", b"tRNS")],
        *[pytest.param(png_with(kind, b""), PNG, id=f"PNG, empty {kind.decode()}")
          for kind in (b"iCCP", b"gAMA", b"pHYs", b"acTL", b"fcTL")],
        pytest.param(jpeg_with(0xE0, b"JFIF\0"), JPEG, id="JPEG, short JFIF"),
        pytest.param(jpeg_with(0xE2, b"ICC_PROFILE\0"), JPEG, id="JPEG, short profile"),
        pytest.param(jpeg_with(0xEE, b"Adobe"), JPEG, id="JPEG, short Adobe"),
        pytest.param(tiff_with(270, 2, 50, 9_999_999), TIFF, id="TIFF, description beyond the end"),
        pytest.param(tiff_with(700, 4, 1, 8), TIFF, id="TIFF, XMP that is a number"),
    ],
)  # fmt: skip
def test_damage_that_no_pixel_needs_does_not_matter(content: bytes, original: bytes) -> None:
    assert np.array_equal(np.asarray(open_photo(content)), np.asarray(open_photo(original)))


def test_damage_to_pixels_is_still_an_error() -> None:
    damaged = bytearray(PNG)
    damaged[PNG.index(b"IDAT") + 60] ^= 255
    with pytest.raises(DamagedPhotoError):
        open_photo(bytes(damaged))


def test_orientation_is_kept_when_other_parts_are_removed() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    content = encoded("PNG", exif=exif)
    broken = content[:33] + struct.pack(">I", 1) + b"tEXtx" + bytes(4) + content[33:]
    assert open_photo(broken).size == (48, 64)


@pytest.mark.parametrize("missing", [1, 2])
def test_jpeg_that_lacks_only_its_end_marker_is_read(missing: int) -> None:
    for side in (None, 10):
        expected = np.asarray(open_photo(JPEG, min_side=side))
        assert np.array_equal(np.asarray(open_photo(JPEG[:-missing], min_side=side)), expected)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(JPEG[:-20], id="JPEG"),
        pytest.param(JPEG[:-700], id="JPEG, many rows"),
        pytest.param(encoded("JPEG", progressive=True)[:-2], id="JPEG in several scans"),
    ],
)
def test_jpeg_that_lacks_pixels_is_incomplete(content: bytes) -> None:
    with pytest.raises(TruncatedPhotoError):
        open_photo(content)


def test_too_little_memory_for_a_photo_may_pass(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "photo.jpg").write_bytes(JPEG)
    monkeypatch.setattr("runtime.photos.rgb._to_rgb", lambda *_: bytearray(2**60))
    with pytest.raises(PhotoError, match="not enough memory") as caught:
        open_photo(tmp_path / "photo.jpg")
    assert caught.value.passing


def test_sources_that_need_advice(tmp_path: Path) -> None:
    assert open_photo(bytearray(JPEG)).size == (64, 48)
    with pytest.raises(PhotoError, match="addresses are not downloaded"):
        open_photo("https://flowers.example/rose.jpg")
    (tmp_path / "photo.jpg").write_bytes(JPEG)
    with (tmp_path / "photo.jpg").open("rb") as file:
        open_photo(file)
        with pytest.raises(PhotoError, match=r"call seek\(0\)"):
            open_photo(file)
