"""When and where a photo was taken, as its EXIF block says (CIPA DC-008, the successor of JEITA CP-3451).

Only what the camera recorded counts: the time of the file is never taken for it. The tag DateTime is left out, because
programs write the time of the last change into it.
"""

import math
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from PIL import Image

from runtime.photos.structure.exif_block import is_modest

EXIF_DIRECTORY, GPS_DIRECTORY = 0x8769, 0x8825
TIMES = ((0x9003, 0x9011), (0x9004, 0x9012))
"""Tags of a time and of its zone: when the photo was taken, and when it was digitised."""
TIME = re.compile(r"(\d{4}):(\d\d):(\d\d) (\d\d:\d\d:\d\d)")
ZONE = re.compile(r"[+-]\d\d:\d\d")
LATITUDE, LONGITUDE = (1, 2, "N", "S", 90), (3, 4, "E", "W", 180)
"""Tag of the hemisphere, tag of the degrees, minutes and seconds, the hemispheres, the largest number of degrees."""


@dataclass(frozen=True)
class CaptureDetails:
    """When and where a photo was taken. What the camera did not record is None."""

    taken: str | None = None
    """ISO 8601, for example ``2026-05-01T12:33:10+02:00``; without the zone if the camera did not record it."""
    latitude: float | None = None
    """Degrees, north positive (WGS 84)."""
    longitude: float | None = None
    """Degrees, east positive."""


def read_capture_details(block: bytes) -> CaptureDetails:
    """Return what an EXIF block says. Nothing is raised: what is missing, damaged or impossible is None.

    Args:
        block: untrusted bytes; may be empty.
    """
    if not block or not is_modest(block):
        return CaptureDetails()
    try:
        exif = Image.Exif()
        exif.load(block)
        times, place = exif.get_ifd(EXIF_DIRECTORY), exif.get_ifd(GPS_DIRECTORY)
    except Exception:  # Pillow raises many kinds of errors for a forged block
        return CaptureDetails()
    latitude, longitude = _degrees(place, *LATITUDE), _degrees(place, *LONGITUDE)
    if latitude is None or longitude is None:
        latitude = longitude = None
    return CaptureDetails(_time(times), latitude, longitude)


def _time(tags: Mapping[int, Any]) -> str | None:
    for time_tag, zone_tag in TIMES:
        found = TIME.fullmatch(_text(tags.get(time_tag)))
        if found is None:
            continue
        year, month, day, time = found.groups()
        zone = _text(tags.get(zone_tag))
        for with_zone in (zone, "") if ZONE.fullmatch(zone) else ("",):
            with suppress(ValueError):  # cameras without a set clock record zeros
                return datetime.fromisoformat(f"{year}-{month}-{day}T{time}{with_zone}").isoformat()
    return None


def _degrees(
    tags: Mapping[int, Any], hemisphere_tag: int, tag: int, positive: str, negative: str, most: int
) -> float | None:
    hemisphere = _text(tags.get(hemisphere_tag)).upper()
    if hemisphere not in (positive, negative):
        return None
    try:
        degrees, minutes, seconds = (float(part) for part in tags[tag])
    except (KeyError, TypeError, ValueError, ArithmeticError):
        return None
    result = degrees + minutes / 60 + seconds / 3600
    if not (math.isfinite(result) and 0 <= result <= most):
        return None
    return round(-result if hemisphere == negative else result, 6)


def _text(value: object) -> str:
    """Return an ASCII value without the NUL bytes and spaces that cameras put at its end."""
    text = value.decode("ascii", "replace") if isinstance(value, bytes) else value
    return text.rstrip("\0 ") if isinstance(text, str) else ""
