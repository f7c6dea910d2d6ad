"""When and where a photo was taken."""

import io
from collections.abc import Mapping

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from runtime.photos.open_photo import capture_details
from runtime.photos.structure.capture_details import CaptureDetails, read_capture_details

TAKEN, ZONE, DIGITISED = 0x9003, 0x9011, 0x9004
GPS = {1: "S", 2: (33.0, 51.0, 24.48), 3: "E", 4: (151.0, 12.0, 54.0)}
SYDNEY = (-33.856800, 151.215)


def block(times: Mapping[int, str], place: Mapping[int, object] | None = None, changed: str | None = None) -> bytes:
    exif = Image.Exif()
    exif.get_ifd(0x8769).update(times)
    exif.get_ifd(0x8825).update(place or {})
    if changed:
        exif[0x0132] = changed
    return exif.tobytes()


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP"])
def test_time_with_its_zone_and_place(form: str) -> None:
    file = io.BytesIO()
    exif = block({TAKEN: "2026:05:01 12:33:10", ZONE: "+02:00"}, GPS)
    Image.new("RGB", (8, 8)).save(file, form, exif=exif)
    assert capture_details(file.getvalue()) == CaptureDetails("2026-05-01T12:33:10+02:00", *SYDNEY)


@pytest.mark.parametrize(
    ("times", "taken"),
    [
        ({TAKEN: "2026:05:01 12:33:10"}, "2026-05-01T12:33:10"),
        ({TAKEN: "2026:05:01 12:33:10", ZONE: "   :  "}, "2026-05-01T12:33:10"),
        ({TAKEN: "0000:00:00 00:00:00", DIGITISED: "2020:01:02 03:04:05"}, "2020-01-02T03:04:05"),
        ({TAKEN: "2026:05:01 12:33:10", ZONE: "+25:00"}, "2026-05-01T12:33:10"),
        ({TAKEN: "2026:13:01 12:33:10"}, None),
        ({}, None),
    ],
)
def test_only_what_the_camera_recorded(times: dict[int, str], taken: str | None) -> None:
    assert read_capture_details(block(times, changed="2026:06:01 00:00:00")).taken == taken


@pytest.mark.parametrize(
    "place", [{**GPS, 1: "X"}, {**GPS, 2: (91.0, 0.0, 0.0)}, {1: "N", 2: (1.0, 2.0, 3.0)}, {**GPS, 4: (1.0,)}]
)
def test_impossible_places_are_none(place: dict[int, object]) -> None:
    assert read_capture_details(block({}, place)) == CaptureDetails()


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=60), st.integers(0, 200))
def test_damaged_blocks_raise_nothing(damage: bytes, place: int) -> None:
    whole = block({TAKEN: "2026:05:01 12:33:10"}, GPS)
    found = read_capture_details(whole[:place] + damage + whole[place + len(damage) :])
    assert found.latitude is None or abs(found.latitude) <= 90


def test_arrays_and_images() -> None:
    assert capture_details(np.zeros((4, 4, 3), np.uint8)) == CaptureDetails()
    image = Image.new("RGB", (4, 4))
    image.info["exif"] = block({TAKEN: "2026:05:01 12:33:10"})
    assert capture_details(image).taken == "2026-05-01T12:33:10"
