"""The web page: the files of a bundle that ``python -m export web`` made."""

import os
from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.responses import FileResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from runtime.services.page_headers import CONTENT_TYPES, ISOLATION, SECURITY

HEADERS = {"Cache-Control": "no-cache", **SECURITY, **ISOLATION}


class BundleFiles(StaticFiles):
    """The files of one folder. Hidden files, and what symbolic links lead to outside the folder, are not found.

    Args:
        folder: the bundle.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(directory=folder, html=True)

    async def get_response(self, path: str, scope: Scope) -> Response:
        """Return the file at ``path``.

        Raises:
            HTTPException: 404 if there is none that may be sent, 405 if the method is not GET or HEAD.
        """
        if path != "." and any(part.startswith(".") for part in Path(path).parts):
            raise HTTPException(404)
        try:
            response = await super().get_response(path, scope)
        except OSError:  # too many symbolic links, and the like
            raise HTTPException(404) from None
        except HTTPException as error:
            if error.status_code != 405:  # a file that may not be read is not found either
                raise HTTPException(404) from None
            raise
        if isinstance(response, FileResponse):
            suffix = os.path.splitext(response.path)[1].lower()  # noqa: PTH122 (bytes or text, as Starlette has it)
            response.headers["Content-Type"] = CONTENT_TYPES.get(str(suffix), "application/octet-stream")
        response.headers.update(HEADERS)
        return response
