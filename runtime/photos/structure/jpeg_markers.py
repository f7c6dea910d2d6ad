"""The markers of a JPEG (ITU-T T.81, annex B), before anything is decoded.

A picture may come in several scans, progressive or not. libjpeg then holds the coefficients of the whole picture and
processes them once for each scan. A forged file of a few kilobytes can contain thousands of empty scans and keep a
decoder busy for hours (libjpeg-turbo, "Two Issues with the JPEG Standard").
"""

import re
from collections.abc import Iterator

MARKER = re.compile(rb"\xff([^\x00\x01\xff\xd0-\xd7])")
"""In compressed data, the byte FF is followed by 00 or begins a marker. Restart markers and TEM (01) are left out: a
file may have millions of them."""
LAST_RESTART = re.compile(rb".*\xff([\xd0-\xd7])", re.DOTALL)
MAX_MARKERS = 10_000
"""Most markers of a picture, without those that are left out. Cameras and editors write fewer than a hundred."""
START_OF_SCAN, END_OF_IMAGE = 0xDA, 0xD9
START, END = b"\xff\xd8\xff", b"\xff\xd9"
"""The first bytes of a file, and the last ones."""
MARKERS_WITHOUT_SEGMENT = frozenset({0xD8, END_OF_IMAGE})
"""SOI and EOI."""
RESTARTS = range(0xD0, 0xD8)
"""RST0 to RST7, which come in this order, again and again."""
START_OF_FRAME = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""SOF0 to SOF15: each begins a frame and gives the number of its components."""
PROGRESSIVE_FRAMES = frozenset({0xC2, 0xC6, 0xCA, 0xCE})
IMPOSSIBLE_COMPONENT_COUNT = 256
"""A number of components that no single scan can contain (the field has one byte)."""


def find_markers(content: bytes) -> Iterator[tuple[int, int]]:
    """Yield each marker of the first picture with the position after it, up to the end of the image or of the bytes.

    Restart markers are left out. After `MAX_MARKERS`, no more follow: forged files are not searched for long.

    Data after the picture (a second picture of a phone, a video) and inside segments (a thumbnail) does not count.

    Args:
        content: of a JPEG file.
    """
    position = 2
    for _ in range(MAX_MARKERS):
        match = MARKER.search(content, position)
        if match is None:
            return
        marker, position = match[1][0], match.end()
        yield marker, position
        if marker == END_OF_IMAGE:
            return
        if marker not in MARKERS_WITHOUT_SEGMENT:
            position += max(2, int.from_bytes(content[position : position + 2], "big"))


def segments_before_scan(content: bytes) -> Iterator[tuple[int, int, int]]:
    """Yield the marker of each segment before the first scan, and where the segment's data begins and ends.

    Args:
        content: of a JPEG file.
    """
    for marker, position in find_markers(content):
        if marker == START_OF_SCAN:
            return
        yield marker, position + 2, position + int.from_bytes(content[position : position + 2], "big")


def has_end(content: bytes) -> bool:
    """Return whether the first picture of a JPEG file ends with its end marker."""
    # Nearly every file ends with it, and then the data need not be searched.
    return content.endswith(END) or any(marker == END_OF_IMAGE for marker, _ in find_markers(content))


def last_restart(content: bytes) -> int | None:
    """Return the last restart marker of the last scan in ``content``, one of `RESTARTS`; None if there is none."""
    scans = [position for marker, position in find_markers(content) if marker == START_OF_SCAN]
    match = LAST_RESTART.match(content, scans[-1]) if scans else None
    return match[1][0] if match else None


def count_scans(content: bytes, limit: int) -> int:
    """Return the number of scans of the first picture in ``content``.

    Args:
        content: of a JPEG file.
        limit: counting ends here.

    Returns:
        1 if libjpeg reads a single scan; ``limit + 1`` for more than ``limit``, or if there are too many markers to
        count.
    """
    scans = components = 0
    for number, (marker, position) in enumerate(find_markers(content), 1):
        if number == MAX_MARKERS:
            return limit + 1
        if marker in START_OF_FRAME and not components:
            # The segment: length (2 bytes), precision (1), height (2), width (2), number of components (1).
            components = int.from_bytes(content[position + 7 : position + 8], "big")
            components = IMPOSSIBLE_COMPONENT_COUNT if marker in PROGRESSIVE_FRAMES else components
        if marker == START_OF_SCAN:
            scans += 1
            if scans == 1 and int.from_bytes(content[position + 2 : position + 3], "big") == components:
                return 1  # a sequential picture with all components in one scan: libjpeg reads only this scan
            if scans > limit:
                break
    return scans


def has_all_scans(content: bytes) -> bool:
    """Return whether the scans of a JPEG, begun or complete, bring every coefficient of every component exactly.

    Args:
        content: of a JPEG file, which may lack its end.
    """
    missing: dict[int, set[int]] = {}
    progressive = False
    for marker, position in find_markers(content):
        segment = content[position : position + int.from_bytes(content[position : position + 2], "big")]
        if marker in START_OF_FRAME and not missing:
            missing = {identifier: set(range(64)) for identifier in segment[8::3]}
            progressive = marker in PROGRESSIVE_FRAMES
        if marker == START_OF_SCAN:
            # The segment: length (2 bytes), number of components (1), each with two bytes, first and last coefficient
            # (1 each), and in the lower half of the last byte the number of bits that a later scan brings.
            if len(segment) < 6 or len(segment) < 6 + 2 * segment[2]:
                return False
            *_, first, last, low_bits = segment
            for identifier in segment[3:-3:2]:
                if not (progressive and low_bits & 15):
                    done = range(first, last + 1) if progressive else range(64)
                    missing.get(identifier, set()).difference_update(done)
    return bool(missing) and not any(missing.values())
