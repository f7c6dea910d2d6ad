"""Parts of a file that no pixel needs do not stop an answer, however damaged or large they are."""

import struct
import zlib
from collections.abc import Iterator

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from runtime.errors import DamagedPhotoError
from runtime.photos.open_photo import open_photo
from tests.runtime.photos.test_open_photo import BLUE, RED, encoded, halves
from tests.samples.picture_files import png_chunk

PICTURE = halves(RED, BLUE, (64, 32))
LARGE_TEXT = zlib.compress(b"history " * 200_000)


def png_files() -> Iterator[tuple[str, bytes]]:
    whole = encoded(PICTURE, "PNG")
    text = PngImagePlugin.PngInfo()
    text.add_text("XML:com.adobe.xmp", "history " * 200_000, zip=True)
    yield "large text", encoded(PICTURE, "PNG", pnginfo=text)
    for kind in (b"tEXt", b"iCCP", b"tIME", b"eXIf", b"caBX"):
        yield f"checksum of {kind!r}", whole[:33] + png_chunk(kind, b"key\0\0value", 1) + whole[33:]
    for kind in (b"pHYs", b"gAMA", b"cHRM", b"acTL", b"fcTL"):
        yield f"short {kind!r}", whole[:33] + png_chunk(kind, b"ab") + whole[33:]
    yield "large profile", whole[:33] + png_chunk(b"iCCP", b"key\0\0" + LARGE_TEXT) + whole[33:]
    yield "large text at the end", whole[:-12] + png_chunk(b"zTXt", b"key\0\0" + LARGE_TEXT) + whole[-12:]


def jpeg_files() -> Iterator[tuple[str, bytes]]:
    whole = encoded(PICTURE, "JPEG", quality=95, subsampling=0)
    for marker, data in (
        (0xE0, b"JFIF\0"),
        (0xE2, b"ICC_PROFILE\0"),
        (0xEE, b"Adobe"),
        (0xED, b"Photoshop 3.0\x008BIM\x03\xed\0\0\0\0\0\x05abc"),
    ):
        yield f"{data[:9]!r}", whole[:2] + struct.pack(">BBH", 0xFF, marker, 2 + len(data)) + data + whole[2:]


def webp_files() -> Iterator[tuple[str, bytes]]:
    whole = encoded(PICTURE, "WEBP", lossless=True, icc_profile=bytes(20), xmp=b"<x/>")
    place = whole.rindex(b"XMP ") + 4
    yield "long XMP", whole[:place] + b"\xff\xff\xff\x7f" + whole[place + 4 :]
    yield "size that is too small", whole[:4] + struct.pack("<I", place - 8) + whole[8:]


def tiff_files() -> Iterator[tuple[str, bytes]]:
    whole = encoded(PICTURE, "TIFF")
    directory = int.from_bytes(whole[4:8], "little")
    count = int.from_bytes(whole[directory : directory + 2], "little")
    entries = [whole[directory + 2 + 12 * number :][:12] for number in range(count)]
    for tag, kind, values, place in ((254, 1, 10**6, 8), (255, 4, 4, 10**8), (270, 2, 2**31, 8), (700, 4, 1, 5)):
        more = sorted([*entries, struct.pack("<HHII", tag, kind, values, place)], key=lambda entry: entry[1::-1])
        moved = whole[:4] + struct.pack("<I", len(whole)) + whole[8:]
        yield f"tag {tag}", moved + struct.pack("<H", len(more)) + b"".join(more) + bytes(4)


def big_tiff_files() -> Iterator[tuple[str, bytes]]:
    whole = encoded(PICTURE, "TIFF", big_tiff=True)
    directory = int.from_bytes(whole[8:16], "little")
    count = int.from_bytes(whole[directory : directory + 8], "little")
    entries = whole[directory + 8 :][: 20 * count]
    more = struct.pack("<HHQQ", 254, 1, 10**6, 8) + entries
    yield (
        "tag 254",
        whole[:8] + struct.pack("<Q", len(whole)) + whole[16:] + struct.pack("<Q", count + 1) + more + bytes(8),
    )


FILES = {"PNG": png_files, "JPEG": jpeg_files, "WebP": webp_files, "TIFF": tiff_files, "BigTIFF": big_tiff_files}


@pytest.mark.parametrize(
    "content",
    [pytest.param(content, id=f"{form}, {what}") for form, files in FILES.items() for what, content in files()],
)
@pytest.mark.filterwarnings("ignore")
def test_parts_that_no_pixel_needs_do_not_stop_an_answer(content: bytes) -> None:
    assert np.abs(np.asarray(open_photo(content)).astype(int) - np.asarray(PICTURE)).max() < 10


def test_a_broken_part_beside_the_orientation_does_not_turn_the_photo() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    for form, broken in (("PNG", png_chunk(b"tEXt", b"key\0value", 1)), ("JPEG", b"\xff\xe0\0\x07JFIF\0")):
        whole = encoded(PICTURE, form, exif=exif)
        place = 33 if form == "PNG" else 2
        assert open_photo(whole[:place] + broken + whole[place:]).size == (32, 64)


@pytest.mark.parametrize("kind", [b"PLTE", b"tRNS", b"IDAT"])
def test_damage_to_what_pixels_need_is_refused(kind: bytes) -> None:
    content = bytearray(encoded(PICTURE.quantize(4), "PNG", transparency=b"\xff\x80\xff\xff"))
    place = content.index(kind) + 4
    content[place + int.from_bytes(content[place - 8 : place - 4], "big")] ^= 1  # the checksum
    with pytest.raises(DamagedPhotoError):
        open_photo(bytes(content))
