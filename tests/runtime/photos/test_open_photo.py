"""Opening photos: valid ones of every format and mode, and invalid ones."""

import contextlib
import io
import os
import re
import struct
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from runtime.errors import PhotoError, TruncatedPhotoError
from runtime.photos.formats import FORMATS, HAS_HEIC, HEIC, SUFFIXES, format_names
from runtime.photos.limits import MAX_BYTES, MAX_PIXELS, MAX_SCANS, check_size
from runtime.photos.open_photo import Photo, open_photo
from runtime.photos.structure.gif_blocks import MAX_BLOCKS
from runtime.photos.structure.jpeg_markers import MAX_MARKERS
from runtime.photos.structure.png_chunks import MAX_CHUNKS


def encoded(image: Image.Image, form: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def red_value(image: Image.Image, position: tuple[int, int]) -> int:
    """Return the red value of a pixel."""
    pixel = image.getpixel(position)
    assert isinstance(pixel, tuple)
    return int(pixel[0])


def halves(left: tuple[int, int, int], right: tuple[int, int, int], size: tuple[int, int] = (40, 20)) -> Image.Image:
    """Return an image with one colour in its left half and another in its right half."""
    image = Image.new("RGB", size, left)
    image.paste(right, (size[0] // 2, 0, *size))
    return image


RED, BLUE = (250, 10, 10), (10, 10, 250)


@pytest.mark.parametrize(
    ("orientation", "size", "red_at"),
    [
        (1, (40, 20), (5, 10)),
        (2, (40, 20), (35, 10)),
        (3, (40, 20), (35, 10)),
        (4, (40, 20), (5, 10)),
        (5, (20, 40), (10, 5)),
        (6, (20, 40), (10, 5)),
        (7, (20, 40), (10, 35)),
        (8, (20, 40), (10, 35)),
    ],
)
def test_exif_orientation_is_applied(orientation: int, size: tuple[int, int], red_at: tuple[int, int]) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    content = encoded(halves(RED, BLUE), "JPEG", exif=exif, quality=95, subsampling=0)
    image = open_photo(content)
    assert image.size == size
    assert red_value(image, red_at) > 200


@pytest.mark.parametrize("mode", ["RGB", "L", "1", "P", "CMYK", "RGBA", "LA", "YCbCr", "HSV", "I", "F", "I;16"])
def test_every_mode_becomes_rgb(mode: str) -> None:
    grey = Image.fromarray(np.full((8, 12), 128, dtype=np.uint8))
    if mode == "I;16":
        image = Image.fromarray(np.full((8, 12), 128 * 257, dtype=np.uint16))
    elif mode == "I":
        image = Image.fromarray(np.full((8, 12), 128 * 257, dtype=np.int32))
    elif mode == "F":
        image = Image.fromarray(np.full((8, 12), 0.5, dtype=np.float32))
    else:
        image = grey.convert("RGB").convert(mode, palette=Image.Palette.ADAPTIVE)
    result = open_photo(image)
    assert (result.mode, result.size) == ("RGB", (12, 8))
    if mode != "1":  # one bit is dithered
        assert np.abs(np.asarray(result).astype(int) - 128).max() <= 3


def test_sixteen_bit_png_is_scaled_not_clipped() -> None:
    ramp = np.linspace(0, 65535, 64, dtype=np.uint16).reshape(8, 8)
    result = np.asarray(open_photo(encoded(Image.fromarray(ramp), "PNG")))[..., 0]
    assert np.abs(result - ramp / 257).max() <= 1


@pytest.mark.parametrize("form", ["PNG", "WEBP", "GIF"])
def test_transparent_parts_become_white(form: str) -> None:
    image = Image.new("RGBA", (16, 16), (0, 0, 0, 0))
    image.paste((250, 10, 10, 255), (0, 0, 8, 16))
    result = open_photo(encoded(image, form, **({"lossless": True} if form == "WEBP" else {})))
    assert result.getpixel((12, 8)) == (255, 255, 255)
    assert red_value(result, (3, 8)) > 240


def test_first_frame_of_an_animation_is_taken() -> None:
    content = encoded(
        Image.new("RGB", (9, 9), RED), "GIF", save_all=True, append_images=[Image.new("RGB", (9, 9), BLUE)]
    )
    assert red_value(open_photo(content), (4, 4)) > 240


def test_photo_can_be_a_path_bytes_file_image_or_array(photo: Path) -> None:
    expected = np.asarray(open_photo(photo))
    with photo.open("rb") as file:
        content = photo.read_bytes()
        sources: list[Photo] = [str(photo), content, bytearray(content), memoryview(content), file]
        sources += [Image.open(photo), expected]
        for source in sources:
            assert np.array_equal(np.asarray(open_photo(source)), expected)


def test_an_array_with_alpha_is_read_like_an_image(photo: Path) -> None:
    image = Image.open(photo).convert("RGBA")
    image.putalpha(Image.linear_gradient("L").resize(image.size))
    assert np.array_equal(np.asarray(open_photo(np.asarray(image))), np.asarray(open_photo(image)))


def test_large_jpeg_is_decoded_at_reduced_scale() -> None:
    content = encoded(Image.new("RGB", (1600, 1200), RED), "JPEG")
    assert open_photo(content, min_side=300).size == (400, 300)
    assert open_photo(content, min_side=301).size == (800, 600)


@pytest.mark.parametrize("options", [{}, {"progressive": True}], ids=["baseline", "progressive"])
def test_data_around_a_jpeg_is_not_counted_as_scans(options: dict[str, bool]) -> None:
    content = encoded(Image.new("RGB", (64, 48), RED), "JPEG", **options)
    thumbnails = b"\xff\xe1" + struct.pack(">H", 2 + 400) + b"\xff\xda" * 200
    film = b"\xff\xda\0\x08" * 1000
    assert open_photo(content[:2] + thumbnails + content[2:] + film).size == (64, 48)


@pytest.mark.parametrize(
    ("photo_format", "info", "megapixels"),
    [("PNG", {}, 48), ("JPEG", {}, 120), ("MPO", {}, 120), ("JPEG", {"progressive": 1}, 48), ("WEBP", {}, 20)],
)
def test_each_format_has_its_limit_of_pixels(photo_format: str, info: dict[str, int], megapixels: int) -> None:
    class Header(Image.Image):
        """An image that is opened and not decoded."""

        size = (megapixels * 1000, 1000)
        format = photo_format

    image = Header()
    image.info.update(info)
    check_size(image, "photo")
    Header.size = (megapixels * 1000 + 1, 1000)
    with pytest.raises(PhotoError, match=f"more than {megapixels} megapixels"):
        check_size(image, "photo")


@pytest.mark.skipif(not HAS_HEIC, reason="needs pillow-heif")
def test_heic_with_opacity_has_a_smaller_limit() -> None:
    class Header(Image.Image):
        size = (48_000, 1000)
        format = HEIC.pillow_name
        mode = "RGB"

    check_size(Header(), "photo")
    Header.mode = "RGBA"
    with pytest.raises(PhotoError, match="more than 32 megapixels"):
        check_size(Header(), "photo")


def test_table_of_formats_gives_names_and_suffixes() -> None:
    assert format_names().startswith("JPEG, PNG, WebP, GIF, TIFF, BMP")
    assert {".jpg", ".jpeg", ".jfif", ".tif", ".avif"} <= SUFFIXES
    assert len(SUFFIXES) == sum(len(photo_format.suffixes) for photo_format in FORMATS.values())


def test_documented_limits_are_those_of_the_table() -> None:
    text = (Path(__file__).parents[3] / "docs/runtime.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| ([^|]+) \| (\d+)(?: megapixels| MB)?[^|]* \|$", text, re.MULTILINE))
    for photo_format in {*FORMATS.values(), HEIC}:
        (value,) = {rows[row] for row in rows if re.search(rf"\b{photo_format.name}\b", row) and "scans" not in row}
        assert int(value) * 1_000_000 == photo_format.max_pixels, photo_format.name
    assert int(rows["file size"]) * 1024**2 == MAX_BYTES
    assert int(rows["scans of a JPEG"]) == MAX_SCANS
    assert f"| HEIC | 49 megapixels; {(HEIC.max_pixels_with_opacity or 0) // 1_000_000} with opacity" in text
    for limit, part in ((MAX_MARKERS, "segments"), (MAX_CHUNKS, "chunks"), (MAX_BLOCKS, "blocks")):
        assert re.search(rf"{limit:,}\s{part}", text)
    assert f"; {MAX_PIXELS // 1_000_000} in several scans" in text


def bomb(width: int, height: int) -> bytes:
    """Return a PNG of a few bytes whose header gives width × height pixels."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "empty"),
        (b"I am no picture at all.", "not a photo"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n", "not a photo"),
        (encoded(Image.new("RGB", (64, 64), RED), "JPEG")[:300], "incomplete"),
        (bomb(12_000, 12_000), "megapixels"),
        (bomb(50_000, 50_000), "megapixels"),
        (bomb(300, 300), "damaged"),
    ],
    ids=["empty", "text", "postscript", "truncated", "144 MP", "bomb", "no data"],
)
def test_invalid_photo_is_refused_with_a_message(content: bytes, words: str) -> None:
    with pytest.raises(PhotoError, match=words) as caught:
        open_photo(content)
    assert "\n" not in str(caught.value)


def test_path_without_a_photo_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PhotoError, match="no such file"):
        open_photo(tmp_path / "missing.jpg")
    with pytest.raises(PhotoError, match=r"folder|not a file"):
        open_photo(tmp_path)
    with pytest.raises(PhotoError, match="cannot be read"):
        open_photo("a\0b.jpg")
    os.mkfifo(tmp_path / "pipe.jpg")
    with pytest.raises(PhotoError, match="not a file"):
        open_photo(tmp_path / "pipe.jpg")


@pytest.mark.parametrize(
    "array", [np.zeros((4, 4, 5), np.uint8), np.zeros((4, 4, 3), np.float32), np.zeros((0, 4, 3), np.uint8)]
)
def test_arrays_of_other_shapes_or_types_are_refused(array: np.ndarray) -> None:
    with pytest.raises(PhotoError):
        open_photo(array)


def test_the_image_of_the_caller_is_not_changed() -> None:
    image = Image.new("RGB", (5, 5), RED)
    copy = open_photo(image)
    copy.putpixel((0, 0), BLUE)
    assert image.getpixel((0, 0)) == RED


def test_an_image_that_is_closed_or_cut_off_is_not_called_damaged(photo: Path) -> None:
    closed = Image.open(photo)
    closed.close()
    with pytest.raises(PhotoError, match="the image: is closed"):
        open_photo(closed)
    with Image.open(io.BytesIO(photo.read_bytes()[:-2000])) as image, pytest.raises(TruncatedPhotoError):
        open_photo(image)


@settings(max_examples=150)
@given(data=st.data(), form=st.sampled_from([f for f in FORMATS if f not in ("AVIF", "HEIF")]))
def test_damaged_files_give_a_picture_or_a_photo_error(data: st.DataObject, form: str) -> None:
    """However a valid file is damaged, no other exception than `PhotoError` is raised."""
    content = bytearray(encoded(halves(RED, BLUE), form))
    for _ in range(data.draw(st.integers(0, 8))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(content)))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with contextlib.suppress(PhotoError):
            assert open_photo(bytes(content[:cut] if data.draw(st.booleans()) else content)).mode == "RGB"
