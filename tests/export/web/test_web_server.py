"""The server of a bundle: headers, types, and that it serves nothing else."""

import http.client
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from export.command_line.main import main
from export.web.headers import ISOLATION, SECURITY
from export.web.server import HOST, BundleServer
from tests.samples.web_site import served, tiny_site

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
    with served(folder) as running:
        yield running


def ask(server: BundleServer, path: str, method: str = "GET") -> tuple[http.client.HTTPResponse, bytes]:
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
def test_files_come_with_their_type_and_all_headers(
    path: str, name: str, content_type: str, server: BundleServer
) -> None:
    response, content = ask(server, path)
    assert (response.status, content) == (200, CONTENT[name])
    assert response.headers.get_content_type() == content_type
    # Compressed files are the page's to unpack; a Content-Encoding would have the browser do it.
    assert "Content-Encoding" not in response.headers
    for header, value in {**SECURITY, **ISOLATION}.items():
        assert response.headers[header] == value


@pytest.mark.parametrize(
    "path",
    ["/../secret.txt", "/%2e%2e/secret.txt", "/..%2fsecret.txt", "/below/secret.txt", "/below", "/below/", "/.hidden",
     "/link.txt", "//secret.txt", "/..", "/.", "/nothing", "/index.html/", "/%00", "/\\..\\secret.txt", "/%ff"],
)  # fmt: skip
def test_nothing_else_is_served(path: str, server: BundleServer) -> None:
    response, content = ask(server, path)
    assert response.status == 404
    assert b"secret" not in content
    assert response.headers["Content-Security-Policy"]


def test_head_is_get_without_the_content(server: BundleServer) -> None:
    response, content = ask(server, "/a%20b.txt", "HEAD")
    assert (response.status, content, response.headers["Content-Length"]) == (200, b"", "5")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_nothing_can_be_sent(method: str, server: BundleServer) -> None:
    assert ask(server, "/app.js", method)[0].status == 501


def test_only_this_computer_is_served(server: BundleServer) -> None:
    assert server.socket.getsockname()[0] == "127.0.0.1"
    assert server.address == f"http://127.0.0.1:{server.server_port}/"


def test_without_isolation_the_policy_stays(tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("")
    with served(tmp_path, isolated=False) as server:
        headers = ask(server, "/")[0].headers
    assert headers["Content-Security-Policy"] == SECURITY["Content-Security-Policy"]
    assert not [name for name in ISOLATION if name in headers]


def test_what_is_no_bundle_is_not_served(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--serve", str(tmp_path)]) == 1
    assert "not a web bundle" in capsys.readouterr().err


def test_a_port_that_is_taken(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    site = tiny_site(tmp_path / "site")
    with socket.create_server((HOST, 0)) as taken:
        assert main(["--serve", str(site), "--port", str(taken.getsockname()[1])]) == 1
    assert "--port" in capsys.readouterr().err
    assert main(["--serve", str(site), "--port", "70000"]) == 1
    assert "--port" in capsys.readouterr().err
