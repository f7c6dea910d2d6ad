"""The web page: the files of a bundle that ``python -m export web`` made."""

import os
from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.responses import FileResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

CONTENT_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".gz": "application/gzip",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".mjs": "text/javascript; charset=utf-8",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
    ".wasm": "application/wasm",
    ".webmanifest": "application/manifest+json",
}
"""File ending → Content-Type. Python's own table depends on the system. Browsers reject scripts of another type."""

HEADERS = {
    "Cache-Control": "no-cache",
    # The policy of the page's own meta tag, and that no other page may show it in a frame (`export.web.headers`).
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; connect-src 'self'; "
        "style-src 'self'; img-src 'self' blob:; manifest-src 'self'; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    ),
    # Without these two a browser gives WebAssembly no threads (HTML standard, "cross-origin isolated").
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


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
