"""Downloading, from a server on this machine that breaks off."""

import errno
import hashlib
import io
import os
import subprocess
import sys
import tarfile
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from finetune.data import download
from finetune.data.dataset import read_split
from finetune.data.split import DataError


class Oxford(HTTPServer):
    """Serves ``files``, with ranges; hangs up after ``patience`` bytes of an answer."""

    files: dict[str, bytes]
    patience = 10**9
    asked: list[str | None]


class Handler(BaseHTTPRequestHandler):
    server: Oxford

    def do_GET(self) -> None:
        content = self.server.files.get(self.path.lstrip("/"))
        asked = self.headers.get("Range")
        self.server.asked.append(asked)
        if content is None:
            self.send_error(404)
            return
        start = int(asked.removeprefix("bytes=").rstrip("-")) if asked else 0
        if start >= len(content):
            self.send_error(416)
            return
        self.send_response(206 if asked else 200)
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        self.wfile.write(content[start:][: self.server.patience])

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Oxford]:
    server = Oxford(("127.0.0.1", 0), Handler)
    server.files, server.asked = {}, []
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()


def address(server: Oxford, name: str = "") -> str:
    return f"http://127.0.0.1:{server.server_port}/{name}"


def md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def test_a_broken_download_goes_on_where_it_stopped(server: Oxford, tmp_path: Path) -> None:
    content = bytes(range(256)) * 40
    server.files["file"], server.patience = content, 4000
    target = tmp_path / "file"
    for _ in range(2):
        with pytest.raises(DataError, match="run the same command again"):
            download.fetch(address(server, "file"), target, "md5", md5(content))
        assert not target.exists()
    download.fetch(address(server, "file"), target, "md5", md5(content))
    assert target.read_bytes() == content
    assert server.asked == [None, "bytes=4000-", "bytes=8000-"]
    download.fetch(address(server, "file"), target, "md5", md5(content))
    assert len(server.asked) == 3


def test_what_has_the_wrong_checksum_is_not_kept(server: Oxford, tmp_path: Path) -> None:
    server.files["file"] = b"something else"
    with pytest.raises(DataError, match="wrong checksum"):
        download.fetch(address(server, "file"), tmp_path / "file", "md5", md5(b"the real thing"))
    assert list(tmp_path.iterdir()) == []


def test_a_file_of_the_users_own_is_not_replaced(server: Oxford, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(DataError, match="move it away"):
        download.fetch(address(server, "file"), tmp_path / "file", "md5", md5(b"theirs"))
    assert (tmp_path / "file").read_text() == "mine"


def test_no_network_is_said_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be downloaded") as caught:
        download.fetch("http://127.0.0.1:9/file", tmp_path / "file", "md5", "0")
    assert "\n" not in str(caught.value)


def test_weights_are_kept_under_the_name_that_holds_their_hash(
    server: Oxford, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    content = b"weights" * 1000
    name = f"resnet50-{hashlib.sha256(content).hexdigest()[:8]}.pth"
    server.files = {name: content, "resnet50-00000000.pth": content}
    for _ in range(2):
        assert download.ensure_weights(address=address(server, name)).read_bytes() == content
    assert len(server.asked) == 1
    with pytest.raises(DataError, match="wrong checksum"):
        download.ensure_weights(address=address(server, "resnet50-00000000.pth"))


def serve_dataset(server: Oxford, dataset: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let ``server`` offer the drawn data set in the place of Oxford's."""
    source = dataset / "flowers-102"
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        tar.add(source / "jpg", "jpg")
    server.files = {"102flowers.tgz": buffer.getvalue()}
    server.files |= {name: (source / name).read_bytes() for name in ("imagelabels.mat", "setid.mat")}
    monkeypatch.setattr(
        download, "FILES", {key: (name, md5(server.files[name])) for key, (name, _) in download.FILES.items()}
    )


def test_the_whole_data_set(server: Oxford, dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    serve_dataset(server, dataset, monkeypatch)
    for _ in range(2):
        download.ensure_dataset(tmp_path, base_address=address(server))
    assert read_split(tmp_path, "val").digest() == read_split(dataset, "val").digest()
    assert len(server.asked) == 3


def test_two_processes_at_once_do_not_fight(
    server: Oxford, dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    serve_dataset(server, dataset, monkeypatch)
    code = f"""
from pathlib import Path
from finetune import download
download.FILES = {download.FILES!r}
print("ready", flush=True)
input()
download.ensure_dataset(Path({str(tmp_path)!r}), base_address={address(server)!r})
"""
    processes = [
        subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:  # both have started before either begins
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    assert [process.wait(120) for process in processes] == [0, 0]
    assert read_split(tmp_path, "train").digest() == read_split(dataset, "train").digest()
    assert len(server.asked) == 3


@pytest.mark.parametrize("name", ["../outside.jpg", "/outside-of-the-folder.jpg", "jpg/../../outside.jpg"])
def test_an_archive_cannot_write_outside_its_folder(name: str, tmp_path: Path) -> None:
    archive = tmp_path / "in" / "evil.tgz"
    archive.parent.mkdir()
    with tarfile.open(archive, "w:gz") as tar:
        tar.addfile(tarfile.TarInfo("jpg/fine.jpg"), io.BytesIO())
        tar.addfile(tarfile.TarInfo(name), io.BytesIO())
    if name.startswith("/"):  # the filter makes absolute names relative, which is safe, too
        download.unpack_images(archive, archive.parent)
        assert not Path(name).exists()
    else:
        with pytest.raises(DataError, match="cannot be unpacked"):
            download.unpack_images(archive, archive.parent)
        assert not (archive.parent / "jpg").exists()
    assert not (tmp_path / "outside.jpg").exists()


@pytest.mark.parametrize(
    ("kind", "target"),
    [(tarfile.SYMTYPE, "/etc"), (tarfile.SYMTYPE, "../../.."), (tarfile.LNKTYPE, "../secret"), (tarfile.CHRTYPE, "")],
    ids=["absolute symlink", "symlink upwards", "hard link upwards", "device"],
)
def test_an_archive_cannot_link_out_of_its_folder(kind: bytes, target: str, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("mine")
    archive = tmp_path / "in" / "evil.tgz"
    archive.parent.mkdir()
    with tarfile.open(archive, "w:gz") as tar:
        tar.addfile(tarfile.TarInfo("jpg/fine.jpg"), io.BytesIO())
        link = tarfile.TarInfo("jpg/link")
        link.type, link.linkname = kind, target
        tar.addfile(link)
        through = tarfile.TarInfo("jpg/link/written")
        through.size = 4
        tar.addfile(through, io.BytesIO(b"evil"))
    with pytest.raises(DataError, match="cannot be unpacked"):
        download.unpack_images(archive, archive.parent)
    assert [path.name for path in archive.parent.iterdir()] == ["evil.tgz"]
    assert (tmp_path / "secret").read_text() == "mine"


def test_what_a_killed_process_unpacked_is_removed(dataset: Path, tmp_path: Path) -> None:
    (tmp_path / ".unpacking-abc" / "jpg").mkdir(parents=True)
    with tarfile.open(tmp_path / "images.tgz", "w:gz") as tar:
        tar.add(dataset / "flowers-102" / "jpg", "jpg")
    download.unpack_images(tmp_path / "images.tgz", tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"images.tgz", "jpg"}


def test_a_full_disk_does_not_speak_against_the_archive(
    dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with tarfile.open(tmp_path / "images.tgz", "w:gz") as tar:
        tar.add(dataset / "flowers-102" / "jpg", "jpg")

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(tarfile, "copyfileobj", full)
    with pytest.raises(DataError, match="No space left") as caught:
        download.unpack_images(tmp_path / "images.tgz", tmp_path)
    assert "delete" not in str(caught.value)
    (tmp_path / "cut.tgz").write_bytes((tmp_path / "images.tgz").read_bytes()[:3000])
    monkeypatch.undo()
    with pytest.raises(DataError, match="delete it and download again"):
        download.unpack_images(tmp_path / "cut.tgz", tmp_path)


def test_weights_that_are_there_need_no_lock_beside_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a folder that is read-only."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    content = b"weights" * 1000
    name = f"resnet50-{hashlib.sha256(content).hexdigest()[:8]}.pth"
    target = tmp_path / "hub" / "checkpoints" / name
    target.parent.mkdir(parents=True)
    target.write_bytes(content)
    assert download.ensure_weights(address=f"http://127.0.0.1:9/{name}") == target
    assert [path.name for path in target.parent.iterdir()] == [name]
