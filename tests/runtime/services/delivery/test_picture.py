"""The picture of an event."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from runtime.services.delivery.event import PICTURE_SIDE
from runtime.services.delivery.picture import small_picture


def opened(content: bytes | None) -> Image.Image:
    assert content is not None
    image = Image.open(io.BytesIO(content))
    image.load()
    return image


def test_picture_is_small_upright_and_without_metadata() -> None:
    photo = Image.new("RGB", (1600, 1200), (200, 0, 0))
    photo.paste((0, 0, 200), (0, 0, 800, 1200))  # blue on the left
    exif = Image.Exif()
    exif[0x0112] = 6  # turned: the left side is shown above
    exif[0x010F] = "Maker of the camera"
    content = io.BytesIO()
    photo.save(content, "JPEG", exif=exif, comment=b"secret place", icc_profile=b"profile")
    small = small_picture(content.getvalue())
    image = opened(small)
    assert (image.format, image.size) == ("JPEG", (PICTURE_SIDE * 3 // 4, PICTURE_SIDE))
    red, _, blue = image.getpixel((240, 100))  # type: ignore[misc]
    assert blue > 150 > 50 > red
    assert small is not None
    assert not any(part in small for part in (b"Maker", b"secret", b"profile", b"Exif"))


@pytest.mark.parametrize("size", [(100, 60), (3000, 4)])
def test_any_size(size: tuple[int, int]) -> None:
    photo = Image.effect_noise(size, 50).convert("RGB")
    image = opened(small_picture(photo))
    assert photo.size == size  # that of the caller is left alone
    assert max(image.size) == min(PICTURE_SIDE, max(size))
    assert opened(small_picture(np.asarray(photo))).size == image.size


def test_what_cannot_be_decoded_gives_no_picture(tmp_path: Path) -> None:
    assert small_picture(b"no photo") is None
    assert small_picture(tmp_path / "gone.jpg") is None
