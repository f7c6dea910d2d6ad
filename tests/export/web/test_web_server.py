"""The server of a bundle: headers, content types, and which files it serves."""

import http.client
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from export.web.errors import BundleError
from export.web.server import HOST, BundleServer, serve
from runtime import FlowerError
from runtime.services.page_headers import ISOLATION, SECURITY
from tests.samples.web_site import run_server

CONTENT = {
    "index.html": b"<!doctype html>",
    "app.js": b"1",
    "ort.mjs": b"2",
    "style.css": b"",
    "model.json": b"{}",
    "model.ort.gz": b"\x1f\x8b",
    "app.webmanifest": b"{}",
    "icon.png": b"png",
    "icon.svg": b"<svg/>",
    "a b.txt": b"space",
}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[BundleServer]:
    folder = tmp_path / "site"
    (folder / "below").mkdir(parents=True)
    for name, content in CONTENT.items():
        (folder / name).write_bytes(content)
    (tmp_path / "secret.txt").write_text("secret")
    (folder / "below" / "secret.txt").write_text("secret")
    (folder / ".hidden").write_text("secret")
    (folder / "link.txt").symlink_to(tmp_path / "secret.txt")
    with run_server(folder) as running:
        yield running


def request(server: BundleServer, path: str, method: str = "GET") -> tuple[http.client.HTTPResponse, bytes]:
    connection = http.client.HTTPConnection(HOST, server.server_port, timeout=10)
    connection.request(method, path)
    response = connection.getresponse()
    content = response.read()
    connection.close()
    return response, content


@pytest.mark.parametrize(
    ("path", "name", "content_type"),
    [
        ("/", "index.html", "text/html"),
        ("/index.html?from=here", "index.html", "text/html"),
        ("/app.js", "app.js", "text/javascript"),
        ("/ort.mjs", "ort.mjs", "text/javascript"),
        ("/style.css", "style.css", "text/css"),
        ("/model.json", "model.json", "application/json"),
        ("/model.ort.gz", "model.ort.gz", "application/gzip"),
        ("/app.webmanifest", "app.webmanifest", "application/manifest+json"),
        ("/icon.png", "icon.png", "image/png"),
        ("/icon.svg", "icon.svg", "image/svg+xml"),
        ("/a%20b.txt", "a b.txt", "text/plain"),
    ],
)
def test_files_are_served_with_their_type_and_all_headers(
    path: str, name: str, content_type: str, server: BundleServer
) -> None:
    response, content = request(server, path)
    assert (response.status, content) == (200, CONTENT[name])
    assert response.headers.get_content_type() == content_type
    # The page unpacks compressed files. With a Content-Encoding, the browser would unpack them, too.
    assert "Content-Encoding" not in response.headers
    for header, value in {**SECURITY, **ISOLATION}.items():
        assert response.headers[header] == value


@pytest.mark.parametrize(
    "path",
    ["/../secret.txt", "/%2e%2e/secret.txt", "/..%2fsecret.txt", "/below/secret.txt", "/below", "/below/", "/.hidden",
     "/link.txt", "//secret.txt", "/..", "/.", "/nothing", "/index.html/", "/%00", "/\\..\\secret.txt", "/%ff"],
)  # fmt: skip
def test_other_paths_are_not_found(path: str, server: BundleServer) -> None:
    response, content = request(server, path)
    assert response.status == 404
    assert b"secret" not in content
    assert response.headers["Content-Security-Policy"]


def test_head_is_answered_without_content(server: BundleServer) -> None:
    response, content = request(server, "/a%20b.txt", "HEAD")
    assert (response.status, content, response.headers["Content-Length"]) == (200, b"", "5")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_methods_that_send_content_are_not_supported(method: str, server: BundleServer) -> None:
    assert request(server, "/app.js", method)[0].status == 501


def test_server_listens_on_this_computer_only(server: BundleServer) -> None:
    assert server.socket.getsockname()[0] == "127.0.0.1"
    assert server.address == f"http://127.0.0.1:{server.server_port}/"


def test_server_without_isolation_still_sends_the_policy(tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("")
    with run_server(tmp_path, isolated=False) as server:
        headers = request(server, "/")[0].headers
    assert headers["Content-Security-Policy"] == SECURITY["Content-Security-Policy"]
    assert not [name for name in ISOLATION if name in headers]


def test_folder_that_is_not_a_bundle_is_not_served(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="not a web bundle"):
        serve(tmp_path, 0)


def test_port_that_cannot_be_used_is_reported(site: Path) -> None:
    with socket.create_server((HOST, 0)) as occupied, pytest.raises(FlowerError, match="--port"):
        serve(site, occupied.getsockname()[1])
    with pytest.raises(FlowerError, match="--port"):
        serve(site, 70000)
