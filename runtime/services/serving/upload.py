"""The photo in a request: its bytes and its name, read within the limits."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from io import BytesIO

from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from runtime.services.serving.admission import Place

FORM_BYTES = 64 * 1024
"""What a form may have besides the photo, in bytes."""
MAX_FIELDS = 10
"""Most fields, and most files, of a form."""
MAX_NAME = 255
"""Most characters of a photo's name."""
NO_NAME = "upload"


@dataclass(frozen=True)
class Upload:
    """A photo that arrived."""

    photo: bytes
    name: str


async def read_upload(request: Request, place: Place, limit: int) -> Upload:
    """Return the photo of a request: the first file of a form, or the whole body.

    Args:
        request: its body is not yet read.
        place: counts the bytes that arrive.
        limit: most bytes of the photo.

    Raises:
        HTTPException: the photo is too large, or the form is damaged or has no file.
        BusyError: the bytes of all photos together are too many.
        ClientDisconnect: the connection ended.
    """
    is_form = request.headers.get("content-type", "").partition(";")[0].strip().lower() == "multipart/form-data"
    largest = limit + FORM_BYTES if is_form else limit
    announced = request.headers.get("content-length", "")  # uvicorn has checked that it is a number
    if announced and int(announced) > largest:
        raise _too_large(limit)
    async with aclosing(_pieces(request, place, largest, limit)) as pieces:
        if not is_form:
            content = BytesIO()  # its value is not copied
            async for piece in pieces:
                content.write(piece)
            return Upload(content.getvalue(), NO_NAME)
        upload = await _first_file(request, pieces, largest)
    if len(upload.photo) > limit:
        raise _too_large(limit)
    return upload


async def _pieces(request: Request, place: Place, largest: int, limit: int) -> AsyncGenerator[bytes, None]:
    async with aclosing(request.stream()) as stream:
        async for piece in stream:
            # First the limit of this photo: to send one that is too large again later would not help.
            if place.size + len(piece) > largest:
                raise _too_large(limit)
            place.add(len(piece))
            yield piece


async def _first_file(request: Request, pieces: AsyncGenerator[bytes, None], largest: int) -> Upload:
    parser = MultiPartParser(
        request.headers, pieces, max_files=MAX_FIELDS, max_fields=MAX_FIELDS, max_part_size=FORM_BYTES
    )
    parser.spool_max_size = largest + 1  # files stay in memory, where `place` counts them
    try:
        form = await parser.parse()
    except MultiPartException as error:
        raise HTTPException(400, f"the form is damaged ({error.message.rstrip('.')}); send it again") from None
    try:
        for _, field in form.multi_items():
            if isinstance(field, UploadFile):
                return Upload(await field.read(), base_name(field.filename or ""))
    finally:
        await form.close()
    raise HTTPException(400, "the form has no file; send the photo as a field with a file name")


def base_name(path: str) -> str:
    """Return the last part of a path of any system as a name to show, without control characters."""
    name = path.replace("\\", "/").rpartition("/")[2]
    return "".join(sign for sign in name if sign.isprintable())[:MAX_NAME] or NO_NAME


def _too_large(limit: int) -> HTTPException:
    size = f"{limit / 1024**2:g} MB" if limit >= 1024**2 else f"{limit:,} bytes"
    return HTTPException(413, f"larger than {size}; send a smaller copy")


class UploadDeadlines:
    """The time limits of the photos that are being received. At the stop of the service they become shorter."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._latest: float | None = None
        self._limits: set[asyncio.Timeout] = set()

    async def read(self, request: Request, place: Place, limit: int) -> Upload:
        """Return what `read_upload` returns.

        Raises:
            TimeoutError: the photo did not arrive in time.
        """
        until = asyncio.get_running_loop().time() + self._seconds
        async with asyncio.timeout_at(until if self._latest is None else min(until, self._latest)) as deadline:
            self._limits.add(deadline)
            try:
                return await read_upload(request, place, limit)
            finally:
                self._limits.discard(deadline)

    def shorten(self, seconds: float) -> None:
        """Let every photo arrive within ``seconds`` from now."""
        self._latest = asyncio.get_running_loop().time() + seconds
        for limit in self._limits:
            limit.reschedule(min(limit.when() or self._latest, self._latest))
