"""A web server for looking at the bundle on this computer, with all headers of `runtime.services.page_headers`.

Any other web server can publish the folder. If it does not send the headers for cross-origin isolation, the first visit
runs on one thread, and the service worker adds the headers for later visits.
"""

import contextlib
import os
import sys
import urllib.parse
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from export.web.bundle_check import check_bundle
from runtime.errors import FlowerError
from runtime.services.page_headers import CONTENT_TYPES, ISOLATION, SECURITY

HOST = "127.0.0.1"
IDLE_SECONDS = 60


class BundleServer(ThreadingHTTPServer):
    """Serves the files of one folder, without its subfolders, to this computer only.

    Args:
        folder: the bundle.
        port: the TCP port; 0 takes a free one.
        isolated: send the headers for cross-origin isolation, which threads need.
    """

    daemon_threads = True

    def __init__(self, folder: Path, port: int, *, isolated: bool = True) -> None:
        self.folder = folder
        self.headers = {**SECURITY, **(ISOLATION if isolated else {})}
        super().__init__((HOST, port), _Handler)

    @property
    def address(self) -> str:
        """The address of the page."""
        return f"http://{HOST}:{self.server_port}/"


class _Handler(BaseHTTPRequestHandler):
    server: BundleServer
    protocol_version = "HTTP/1.1"
    timeout = IDLE_SECONDS

    def do_GET(self) -> None:
        self._answer(with_content=True)

    def do_HEAD(self) -> None:
        self._answer(with_content=False)

    def _answer(self, *, with_content: bool) -> None:
        path = urllib.parse.unquote(urllib.parse.urlsplit(self.path).path)
        name = path.removeprefix("/") or "index.html"
        # The name is looked up in the folder's list of files and never becomes part of a path.
        file = next((entry for entry in os.scandir(self.server.folder) if entry.name == name), None)
        if file is None or not file.is_file(follow_symlinks=False) or name.startswith("."):
            self._send(HTTPStatus.NOT_FOUND, "text/plain; charset=utf-8", b"not found\n", with_content)
            return
        content = Path(file.path).read_bytes()
        content_type = CONTENT_TYPES.get(Path(name).suffix, "application/octet-stream")
        self._send(HTTPStatus.OK, content_type, content, with_content)

    def _send(self, status: HTTPStatus, content_type: str, content: bytes, with_content: bool) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Cache-Control", "no-cache")
        for name, value in self.server.headers.items():
            self.send_header(name, value)
        self.end_headers()
        if with_content:
            self.wfile.write(content)

    def handle(self) -> None:
        # A browser may close the connection in the middle of a download; that is not an error.
        with contextlib.suppress(ConnectionError):
            super().handle()

    def version_string(self) -> str:
        return "flower-edge"

    def log_message(self, format: str, *arguments: object) -> None:
        """Log nothing: a line for each request would scroll the page's address out of sight."""


def serve(folder: Path, port: int) -> None:
    """Check the bundle in ``folder`` and serve it on this computer until Ctrl-C is pressed.

    Raises:
        FlowerError: ``folder`` is not a complete bundle, or the port cannot be used.
    """
    check_bundle(folder)
    try:
        server = BundleServer(folder, port)
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or error
        raise FlowerError(f"port {port} cannot be used ({reason}); choose another with --port") from None
    with server:
        print(f"{server.address}  (stop with Ctrl-C)", flush=True)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            print(file=sys.stderr)
