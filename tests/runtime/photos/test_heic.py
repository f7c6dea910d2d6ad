"""HEIC: told from AVIF by its brands; read where pillow-heif is installed, and counted in folders where it is not."""

import io
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from runtime.errors import PhotoError
from runtime.photos import open_photo as open_photo_module
from runtime.photos.finding.left_out import left_out_message
from runtime.photos.formats import SUFFIXES
from runtime.photos.open_photo import open_photo
from runtime.photos.structure.heif_brands import is_heic
from tests.runtime.photos.test_open_photo import BLUE, RED, encoded, halves, red_value

ROOT = Path(__file__).parents[3]


def with_brands(content: bytes, major: bytes, *compatible: bytes) -> bytes:
    """Return a HEIF file with other brands, and all else at its place."""
    end = int.from_bytes(content[:4], "big")
    header = content[:8] + major + bytes(4) + b"".join(compatible)
    assert len(header) <= end
    return header + major * ((end - len(header)) // 4) + content[end:]


@pytest.fixture
def heic() -> bytes:
    pillow_heif = pytest.importorskip("pillow_heif")
    exif = Image.Exif()
    exif[0x0112] = 6
    image = halves(RED, BLUE, (128, 64))
    file = io.BytesIO()
    pillow_heif.encode(image.mode, image.size, image.tobytes(), file, quality=90, exif=exif.tobytes())
    assert b"irot" in file.getvalue()  # as phones do, the file gives the orientation twice
    return file.getvalue()


@pytest.mark.parametrize(
    ("brands", "expected"),
    [
        *(
            ((brand, b"mif1"), True)
            for brand in (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs")
        ),
        ((b"mif1", b"heic"), True),
        ((b"msf1", b"hevc"), True),
        ((b"MSNV", b"heis"), True),
        ((b"mif1",), True),
        ((b"mif1", b"avif"), False),
        ((b"avif", b"mif1", b"miaf"), False),
        ((b"isom", b"mp42"), False),
    ],
)
def test_brands_tell_heic_from_avif_and_video(brands: tuple[bytes, ...], expected: bool) -> None:
    assert is_heic(with_brands(b"\0\0\0\x1cftyp" + bytes(20), *brands)) is expected


def test_heic_is_read_upright_whatever_it_is_named_and_branded(heic: bytes, tmp_path: Path) -> None:
    named = tmp_path / "photo.jpg"
    named.write_bytes(heic)
    for photo in (named, heic, with_brands(heic, b"mif1", b"heic"), with_brands(heic, b"heis", b"mif1")):
        image = open_photo(photo)
        assert (image.mode, image.size) == ("RGB", (64, 128))
        assert red_value(image, (32, 20)) > 200 > 50 > red_value(image, (32, 108))
    assert ".heic" in SUFFIXES
    assert "HEIF" not in Image.OPEN  # the caller's own use of Pillow is as it was


def test_heic_of_ten_bits_and_with_transparency(heic: bytes) -> None:
    pillow_heif = pytest.importorskip("pillow_heif")
    ramp = np.linspace(0, 65535, 64 * 64).reshape(64, 64, 1).repeat(3, 2).astype(np.uint16)
    file = io.BytesIO()
    pillow_heif.encode("RGB;16", (64, 64), ramp.tobytes(), file, quality=-1)
    assert np.abs(np.asarray(open_photo(file.getvalue())).astype(int) - ramp / 257).max() <= 4
    clear = Image.new("RGBA", (64, 64), (0, 0, 0, 0))
    clear.paste((255, 255, 255, 255), (0, 0, 16, 64))
    file = io.BytesIO()
    pillow_heif.from_pillow(clear).save(file)
    assert np.asarray(open_photo(file.getvalue())).min() > 250


def test_heic_beyond_the_limit_is_refused_before_it_is_decoded(heic: bytes) -> None:
    size = (128).to_bytes(4, "big") + (64).to_bytes(4, "big")
    assert heic.count(size) == 1
    with pytest.raises(PhotoError, match="more than 49 megapixels"):
        open_photo(heic.replace(size, (10_000).to_bytes(4, "big") * 2))
    # A header that gives fewer pixels than the data has does not get around the limit.
    with pytest.raises(PhotoError, match="damaged"):
        open_photo(heic.replace(size, (2).to_bytes(4, "big") * 2))


def test_without_the_package_one_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    content = with_brands(b"\0\0\0\x1cftyp" + bytes(20), b"heic")
    monkeypatch.setattr(open_photo_module, "HAS_HEIC", False)
    with pytest.raises(PhotoError, match="pip install pillow-heif"):
        open_photo(content)
    assert left_out_message(Counter({".heic": 12})).endswith("to read .heic, run: pip install pillow-heif")
    assert "pillow-heif" not in left_out_message(Counter({".nef": 12}))
    (tmp_path / "a.heic").write_bytes(content)
    (tmp_path / "b.png").write_bytes(encoded(Image.new("RGB", (9, 9), RED), "PNG"))
    code = (
        "import sys; sys.modules['pillow_heif'] = None\n"
        "from importlib import util\n"
        "find = util.find_spec; util.find_spec = lambda name: None if name == 'pillow_heif' else find(name)\n"
        "from runtime.command_line.flower_infer import main\n"
        "sys.exit(main(['--top', '1', '--json', sys.argv[1]]))"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, env=environment, check=True
    )
    assert done.stdout.count("\n") == 1
    assert "1 .heic" in done.stderr
    assert "pip install pillow-heif" in done.stderr
