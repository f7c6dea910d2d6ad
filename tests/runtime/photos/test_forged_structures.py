"""Files with so many parts that reading their structure would take minutes or gigabytes."""

import struct
from typing import Any

import pytest
from PIL import Image

from runtime.errors import PhotoError
from runtime.photos.limits import MAX_SCANS
from runtime.photos.open_photo import open_photo
from runtime.photos.structure.file_end import ends_early
from runtime.photos.structure.gif_blocks import MAX_BLOCKS
from runtime.photos.structure.jpeg_markers import MAX_MARKERS, RESTARTS, count_scans, find_markers, last_restart
from runtime.photos.structure.only_pixels import MAX_CHUNKS as MAX_WEBP_CHUNKS
from runtime.photos.structure.only_pixels import only_pixels
from runtime.photos.structure.part_count import has_too_many_parts
from runtime.photos.structure.png_chunks import MAX_CHUNKS
from runtime.photos.structure.tiff_directory import MAX_NUMBERS, has_modest_directory
from tests.runtime.photos.test_open_photo import encoded
from tests.samples.picture_files import png_chunk

PICTURE = Image.effect_noise((64, 64), 90)


def jpeg(**options: Any) -> bytes:
    return encoded(PICTURE, "JPEG", **options)


def test_markers_of_a_jpeg_are_counted_up_to_a_limit() -> None:
    segments = jpeg()[:-2] + b"\xff\xe0\0\2" * (2 * MAX_MARKERS)
    assert len([*find_markers(segments)]) == MAX_MARKERS
    # What follows is unknown, so there may be too many scans.
    assert count_scans(jpeg()[:2] + b"\xff\xe0\0\2" * (2 * MAX_MARKERS) + jpeg()[2:], MAX_SCANS) > MAX_SCANS
    restarts = jpeg()[:-2] + b"\xff\xd0" * (2 * MAX_MARKERS)
    assert len([*find_markers(restarts)]) < 20


def test_last_restart_marker_is_found() -> None:
    # One marker after each of eight rows of blocks but the last.
    assert last_restart(jpeg(restart_marker_rows=1)) == RESTARTS[6]
    assert last_restart(jpeg()) is None


def tiff(*tags: tuple[int, int, int, int]) -> bytes:
    head = b"II*\0" + struct.pack("<IH", 8, len(tags))
    return (head + b"".join(struct.pack("<HHII", *tag) for tag in tags)).ljust(1000, b"\0")


@pytest.mark.parametrize(
    ("content", "is_modest"),
    [
        (tiff((256, 4, 1, 64), (273, 4, 100, 200)), True),
        (tiff((273, 3, MAX_NUMBERS + 1, 200)) + bytes(2 * MAX_NUMBERS), False),
        # Each tag names the same bytes.
        (tiff(*((40000 + number, 1, 600, 200) for number in range(20))), False),
        (tiff((256, 4, 1, 64))[:12], True),
        (b"II+\0" + struct.pack("<HHQQHHQQ", 8, 0, 16, 1, 40000, 1, 10**9, 100) + bytes(100), False),
    ],
    ids=["usual", "many numbers", "shared bytes", "cut off", "BigTIFF"],
)
def test_tags_of_a_tiff_hold_no_more_than_the_file(content: bytes, is_modest: bool) -> None:
    assert has_modest_directory(content) == is_modest


@pytest.mark.parametrize(
    ("photo", "place", "part", "limit"),
    [
        (jpeg(), 2, b"\xff\xe0\0\2", MAX_MARKERS),
        (encoded(PICTURE, "PNG"), 33, png_chunk(b"tEXt", b""), MAX_CHUNKS),
        # After the header and a table of 256 colours.
        (encoded(PICTURE, "GIF"), 781, b"!\xf9\0", MAX_BLOCKS),
    ],
    ids=["JPEG", "PNG", "GIF"],
)
def test_a_photo_of_very_many_parts_is_refused(photo: bytes, place: int, part: bytes, limit: int) -> None:
    def with_parts(count: int) -> bytes:
        return photo[:place] + part * count + photo[place:]

    assert not has_too_many_parts(with_parts(limit // 2))
    with pytest.raises(PhotoError, match="more parts"):
        open_photo(with_parts(limit))


def test_chunks_and_boxes_are_not_collected() -> None:
    body = b"WEBP" + b"ALPH\0\0\0\0" * (MAX_WEBP_CHUNKS + 1)
    assert only_pixels(b"RIFF" + struct.pack("<I", len(body)) + body) is None
    boxes = b"\0\0\0\x14ftypavif\0\0\0\0avif" + b"".join(struct.pack(">II", 8, kind) for kind in range(1, 1000))
    assert ends_early(boxes)
    assert not ends_early(boxes + b"\0\0\0\x08mdat")
    assert not ends_early(boxes * 20)  # more boxes than are read


def exif_block(tags: int, size: int) -> bytes:
    """Return an EXIF block whose tags all refer to the same bytes, and whose last tag is the orientation 6."""
    entries = [struct.pack("<HHII", 0x9000 + number, 7, size, 8) for number in range(tags)]
    orientation = struct.pack("<HHIHH", 0x0112, 3, 1, 6, 0)
    head = b"II*\0" + struct.pack("<IH", 8, tags + 1)
    return (head + orientation + b"".join(entries) + bytes(4)).ljust(size + 8, b"\0")


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP"])
def test_exif_whose_tags_share_their_bytes_is_not_read(form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    picture = Image.effect_noise((64, 32), 90).convert("RGB")
    usual, forged = (b"Exif\0\0" + exif_block(tags, 1000) for tags in (0, 50))
    assert open_photo(encoded(picture, form, exif=usual)).size == (32, 64)

    def refuse(*_: object) -> None:
        raise AssertionError("Pillow read the block")

    content = encoded(picture, form, exif=forged)
    monkeypatch.setattr(Image.Image, "getexif", refuse)
    assert open_photo(content).size == (64, 32)
