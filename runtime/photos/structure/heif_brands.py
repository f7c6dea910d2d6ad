"""The brands of a HEIF file (ISO/IEC 14496-12, clause 4.3), which say how its pictures are compressed."""

AVIF_BRANDS = frozenset({b"avif", b"avis"})
HEIC_BRANDS = frozenset(
    {
        b"heic", b"heix", b"heim", b"heis",  # pictures
        b"hevc", b"hevx", b"hevm", b"hevs",  # sequences of pictures
        b"mif1", b"mif2", b"msf1", b"miaf", b"MiHE",  # any compression
    }
)  # fmt: skip
"""Brands of ISO/IEC 23008-12 and 23000-22. Those for any compression are also in AVIF files, beside one of
`AVIF_BRANDS`."""


def is_heic(content: bytes) -> bool:
    """Return whether a file is HEIF with another compression than AVIF's, in practice HEVC's."""
    if content[4:8] != b"ftyp":
        return False
    length = min(int.from_bytes(content[:4], "big"), 256)
    # The major brand, four bytes for its version, and the compatible brands.
    brands = {content[8:12], *(content[place : place + 4] for place in range(16, length, 4))}
    return not brands & AVIF_BRANDS and bool(brands & HEIC_BRANDS)
