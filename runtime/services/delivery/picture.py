"""The picture of an event: small, upright, and without anything that the photo says about its place and camera."""

import io

from PIL import Image

from runtime.errors import PhotoError
from runtime.photos.open_photo import Photo, opened_photo
from runtime.services.delivery.event import PICTURE_SIDE

QUALITY = 85
"""Of the JPEG."""


def small_picture(photo: Photo) -> bytes | None:
    """Return a photo as a JPEG whose longer side is at most `PICTURE_SIDE` pixels, upright and without metadata.

    Args:
        photo: as in `runtime.photos.open_photo.open_photo`.

    Returns:
        The bytes of the JPEG; None if the photo cannot be decoded, or not any more.
    """
    try:
        with opened_photo(photo, min_side=PICTURE_SIDE) as image:
            image.thumbnail((PICTURE_SIDE, PICTURE_SIDE), Image.Resampling.BICUBIC, reducing_gap=2.0)
            image.info.clear()  # Pillow would copy a comment
            content = io.BytesIO()
            image.save(content, "JPEG", quality=QUALITY)
    except (PhotoError, MemoryError):
        return None
    return content.getvalue()
