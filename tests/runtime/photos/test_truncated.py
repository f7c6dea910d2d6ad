"""A photo that is cut off, as during an upload, is told from one that is damaged."""

import random

import pytest
from PIL import Image

from benchmarks.fuzzing.malformed_inputs import valid_photos
from runtime.errors import DamagedPhotoError, TruncatedPhotoError
from runtime.photos.open_photo import open_photo
from tests.runtime.photos.test_open_photo import encoded


@pytest.mark.parametrize("number", range(len(valid_photos())))
@pytest.mark.filterwarnings("ignore")
def test_a_cut_photo_is_incomplete_wherever_it_is_cut(number: int) -> None:
    content = valid_photos()[number]
    refused = 0
    for end in {*range(1, 30), *range(30, len(content), 499), *range(len(content) - 20, len(content))}:
        try:  # the first frame of an animation may be complete
            open_photo(content[:end])
        except TruncatedPhotoError:
            refused += 1
    assert refused > 30


@pytest.mark.parametrize("form", ["JPEG", "PNG"])
def test_a_file_whose_end_is_not_yet_written_is_incomplete(form: str) -> None:
    content = encoded(Image.frombytes("RGB", (64, 64), random.Random(0).randbytes(3 * 64 * 64)), form)
    with pytest.raises(TruncatedPhotoError):
        open_photo(content[:200] + bytes(len(content)))


@pytest.mark.parametrize("form", ["PNG", "WEBP"])
def test_damage_to_a_complete_photo_is_no_truncation(form: str) -> None:
    content = bytearray(encoded(Image.effect_noise((64, 64), 50).convert("RGB"), form))
    content[12:30] = b"\xff" * 18
    with pytest.raises(DamagedPhotoError) as caught:
        open_photo(bytes(content))
    assert not isinstance(caught.value, TruncatedPhotoError)


def test_an_empty_file_may_still_be_written() -> None:
    with pytest.raises(TruncatedPhotoError, match="empty"):
        open_photo(b"")
