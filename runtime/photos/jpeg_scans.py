"""What a JPEG file asks of its decoder, read from its markers (ITU-T T.81, annex B) before anything is decoded.

A picture may come in several scans, progressive or not; libjpeg then holds the coefficients of all of it and goes over
them once a scan. A forged file of a few kilobytes can hold thousands of empty scans, and take hours (libjpeg-turbo,
"Two Issues with the JPEG Standard").
"""

import re

MARKER = re.compile(rb"\xff+([^\x00\xff])")
"""In compressed data the byte FF is followed by 00, or by a marker."""
START_OF_SCAN, END_OF_IMAGE = 0xDA, 0xD9
ALONE = frozenset({0x01, *range(0xD0, 0xD9)})
"""Markers without a segment: TEM, RST0 to RST7, SOI."""
FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""SOF0 to SOF15: begins a frame and says how many components it has."""
PROGRESSIVE = frozenset({0xC2, 0xC6, 0xCA, 0xCE})
MORE = 256
"""Components that no single scan can hold."""


def count_scans(content: bytes, limit: int) -> int:
    """The scans of the first picture in ``content``; 1 where libjpeg needs no more, ``limit + 1`` for more than that.

    What follows the picture (a phone's second one, or a film) and what is inside other segments (a thumbnail) does not
    count.

    Args:
        content: of a JPEG file.
        limit: at which counting ends.
    """
    scans = components = 0
    place = 2
    while scans <= limit and (found := MARKER.search(content, place)):
        marker, place = found[1][0], found.end()
        if marker == END_OF_IMAGE:
            break
        if marker in ALONE:
            continue
        if marker in FRAMES and not components:
            # Length (2), precision (1), height (2), width (2), and then the number of components.
            components = int.from_bytes(content[place + 7 : place + 8], "big")
            components = MORE if marker in PROGRESSIVE else components
        if marker == START_OF_SCAN:
            scans += 1
            if scans == 1 and int.from_bytes(content[place + 2 : place + 3], "big") == components:
                return 1  # all components at once, and not progressive: libjpeg reads no other scan
        place += max(2, int.from_bytes(content[place : place + 2], "big"))
    return scans
