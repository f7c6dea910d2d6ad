"""A JPEG without its end marker is read if every pixel is there, and is incomplete otherwise."""

import random

import numpy as np
import pytest
from PIL import Image

from runtime.errors import TruncatedPhotoError
from runtime.photos.open_photo import open_photo
from runtime.photos.structure.jpeg_markers import has_all_scans
from tests.runtime.photos.test_open_photo import encoded

PICTURE = Image.frombytes("RGB", (9, 7), random.Random(1).randbytes(9 * 7 * 3)).resize(
    (72, 56), Image.Resampling.NEAREST
)
FORMS: dict[str, tuple[str, dict[str, object]]] = {
    "baseline": ("RGB", {}),
    "optimized": ("RGB", {"optimize": True}),
    "progressive": ("RGB", {"progressive": True}),
    "restarts": ("RGB", {"restart_marker_blocks": 1}),
    "progressive with restarts": ("RGB", {"progressive": True, "restart_marker_rows": 1}),
    "grey": ("L", {}),
    "CMYK": ("CMYK", {}),
}


@pytest.mark.parametrize("form", FORMS)
def test_without_the_end_marker_every_pixel_is_there(form: str) -> None:
    mode, options = FORMS[form]
    content = encoded(PICTURE.convert(mode), "JPEG", **options)
    expected = np.asarray(open_photo(content))
    for end in (b"", b"\xff", bytes(600), b"\0" * 20):
        assert np.array_equal(np.asarray(open_photo(content[:-2] + end)), expected)
        assert open_photo(content[:-2] + end, min_side=28).size == (36, 28)


@pytest.mark.parametrize("form", FORMS)
def test_with_pixels_missing_it_is_incomplete(form: str) -> None:
    mode, options = FORMS[form]
    content = encoded(PICTURE.convert(mode), "JPEG", **options)
    expected = np.asarray(open_photo(content))
    assert has_all_scans(content)
    for cut in {*range(5, 30), *range(50, len(content) - 3, 23)}:
        for end in (b"", b"\xff", bytes(600)):  # without and with space that is not yet written
            try:  # what is missing of the last scan of a progressive JPEG can change no pixel
                assert np.array_equal(np.asarray(open_photo(content[:-cut] + end)), expected), cut
                assert "progressive" in form, cut
            except TruncatedPhotoError:
                continue


def test_a_picture_whose_last_scans_are_missing_is_incomplete() -> None:
    content = encoded(PICTURE, "JPEG", progressive=True)
    scans = [place for place in range(len(content)) if content[place : place + 2] == b"\xff\xda"]
    assert len(scans) > 5
    for place in scans[1:]:
        with pytest.raises(TruncatedPhotoError):
            open_photo(content[:place])
