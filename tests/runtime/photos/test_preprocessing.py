"""Cropping and resampling a photo to the network's input."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from runtime.errors import ModelError
from runtime.photos.preprocessing import Preprocessing


@settings(max_examples=50)
@given(width=st.integers(1, 700), height=st.integers(1, 700), crop_pct=st.floats(0.1, 1.0))
def test_photo_of_any_size_becomes_a_square(width: int, height: int, crop_pct: float) -> None:
    pixels = Preprocessing(size=64, crop_pct=crop_pct)(np.full((height, width, 3), 77, dtype=np.uint8))
    assert pixels.shape == (64, 64, 3)
    assert pixels.dtype == np.uint8
    assert (pixels == 77).all()


def test_result_equals_resizing_and_cropping_the_centre() -> None:
    random = np.random.default_rng(0)
    image = Image.fromarray(random.integers(0, 256, (512, 768, 3), dtype=np.uint8))
    resized = image.resize((384, 256), Image.Resampling.BICUBIC)
    expected = np.asarray(resized.crop((80, 16, 304, 240)))
    assert np.abs(Preprocessing(224, 0.875).crop(image).astype(int) - expected).max() <= 1


def test_rule_survives_a_round_trip_through_json() -> None:
    rule = Preprocessing(192, 0.9, "bilinear")
    assert Preprocessing.from_dict(rule.to_dict()) == rule


@pytest.mark.parametrize(
    "values",
    [{"size": 0}, {"size": "224"}, {"size": 10**9}, {"crop_pct": float("nan")}, {"interpolation": "x"}, {"colour": 1}],
)
def test_invalid_rules_are_refused(values: dict[str, object]) -> None:
    with pytest.raises(ModelError, match="preprocessing"):
        Preprocessing.from_dict(values)
