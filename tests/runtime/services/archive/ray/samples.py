"""What the tests of this folder share."""

import io

from PIL import Image

BUCKET = "garden"
SECRET = "secret-of-the-test"


def picture(colour: tuple[int, int, int]) -> bytes:
    """The bytes of a small photo of one colour."""
    buffer = io.BytesIO()
    Image.new("RGB", (20, 20), colour).save(buffer, "PNG")
    return buffer.getvalue()
