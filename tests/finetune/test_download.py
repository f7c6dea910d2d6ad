"""Downloads from a local server that closes connections early."""

import errno
import hashlib
import io
import multiprocessing
import os
import tarfile
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from finetune.data import download
from finetune.data.dataset import read_split
from finetune.data.split import DataError


class FileServer(HTTPServer):
    """Serves ``files`` and ranges of them. It closes a connection after ``max_bytes``."""

    files: dict[str, bytes]
    max_bytes = 10**9
    ranges: list[str | None]
    """The range that each request asked for, or None."""


class Handler(BaseHTTPRequestHandler):
    server: FileServer

    def do_GET(self) -> None:
        content = self.server.files.get(self.path.lstrip("/"))
        byte_range = self.headers.get("Range")
        self.server.ranges.append(byte_range)
        if content is None:
            self.send_error(404)
            return
        start = int(byte_range.removeprefix("bytes=").rstrip("-")) if byte_range else 0
        if start >= len(content):
            self.send_error(416)
            return
        self.send_response(206 if byte_range else 200)
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        self.wfile.write(content[start:][: self.server.max_bytes])

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[FileServer]:
    server = FileServer(("127.0.0.1", 0), Handler)
    server.files, server.ranges = {}, []
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()


def address(server: FileServer, name: str = "") -> str:
    return f"http://127.0.0.1:{server.server_port}/{name}"


def md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def test_interrupted_download_continues_where_it_stopped(server: FileServer, tmp_path: Path) -> None:
    content = bytes(range(256)) * 40
    server.files["file"], server.max_bytes = content, 4000
    target = tmp_path / "file"
    for _ in range(2):
        with pytest.raises(DataError, match="run the same command again"):
            download.fetch(address(server, "file"), target, "md5", md5(content))
        assert not target.exists()
    download.fetch(address(server, "file"), target, "md5", md5(content))
    assert target.read_bytes() == content
    assert server.ranges == [None, "bytes=4000-", "bytes=8000-"]
    download.fetch(address(server, "file"), target, "md5", md5(content))
    assert len(server.ranges) == 3


def test_file_with_the_wrong_checksum_is_deleted(server: FileServer, tmp_path: Path) -> None:
    server.files["file"] = b"something else"
    with pytest.raises(DataError, match="wrong checksum"):
        download.fetch(address(server, "file"), tmp_path / "file", "md5", md5(b"the published file"))
    assert list(tmp_path.iterdir()) == []


def test_file_of_the_user_is_not_replaced(server: FileServer, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(DataError, match="move it away"):
        download.fetch(address(server, "file"), tmp_path / "file", "md5", md5(b"theirs"))
    assert (tmp_path / "file").read_text() == "mine"


def test_missing_network_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be downloaded") as caught:
        download.fetch("http://127.0.0.1:9/file", tmp_path / "file", "md5", "0")
    assert "\n" not in str(caught.value)


def test_weights_are_downloaded_once_and_checked_against_their_name(
    server: FileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    content = b"weights" * 1000
    name = f"resnet50-{hashlib.sha256(content).hexdigest()[:8]}.pth"
    server.files = {name: content, "resnet50-00000000.pth": content}
    for _ in range(2):
        assert download.ensure_weights(address=address(server, name)).read_bytes() == content
    assert len(server.ranges) == 1
    with pytest.raises(DataError, match="wrong checksum"):
        download.ensure_weights(address=address(server, "resnet50-00000000.pth"))


def serve_dataset(server: FileServer, dataset: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let ``server`` offer the drawn data set in place of Oxford's."""
    source = dataset / "flowers-102"
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        tar.add(source / "jpg", "jpg")
    server.files = {"102flowers.tgz": buffer.getvalue()}
    server.files |= {name: (source / name).read_bytes() for name in ("imagelabels.mat", "setid.mat")}
    monkeypatch.setattr(
        download, "FILES", {key: (name, md5(server.files[name])) for key, (name, _) in download.FILES.items()}
    )


def test_data_set_is_downloaded_once(
    server: FileServer, dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    serve_dataset(server, dataset, monkeypatch)
    for _ in range(2):
        download.ensure_dataset(tmp_path, base_address=address(server))
    assert read_split(tmp_path, "val").digest() == read_split(dataset, "val").digest()
    assert len(server.ranges) == 3


def test_two_processes_download_the_data_set_once(
    server: FileServer, dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    serve_dataset(server, dataset, monkeypatch)
    context = multiprocessing.get_context("fork")  # a fork has torch and the patched file list already
    barrier = context.Barrier(2)

    def download_at_the_same_time() -> None:
        barrier.wait()
        download.ensure_dataset(tmp_path, base_address=address(server))

    processes = [context.Process(target=download_at_the_same_time) for _ in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(120)
    assert [process.exitcode for process in processes] == [0, 0]
    assert read_split(tmp_path, "train").digest() == read_split(dataset, "train").digest()
    assert len(server.ranges) == 3


@pytest.mark.parametrize("name", ["../outside.jpg", "/outside-of-the-folder.jpg", "jpg/../../outside.jpg"])
def test_archive_cannot_write_outside_its_folder(name: str, tmp_path: Path) -> None:
    archive = tmp_path / "in" / "malicious.tgz"
    archive.parent.mkdir()
    with tarfile.open(archive, "w:gz") as tar:
        tar.addfile(tarfile.TarInfo("jpg/fine.jpg"), io.BytesIO())
        tar.addfile(tarfile.TarInfo(name), io.BytesIO())
    if name.startswith("/"):  # the filter makes absolute names relative, which is also safe
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
def test_archive_cannot_link_outside_its_folder(kind: bytes, target: str, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("mine")
    archive = tmp_path / "in" / "malicious.tgz"
    archive.parent.mkdir()
    with tarfile.open(archive, "w:gz") as tar:
        tar.addfile(tarfile.TarInfo("jpg/fine.jpg"), io.BytesIO())
        link = tarfile.TarInfo("jpg/link")
        link.type, link.linkname = kind, target
        tar.addfile(link)
        through = tarfile.TarInfo("jpg/link/written")
        through.size = 4
        tar.addfile(through, io.BytesIO(b"data"))
    with pytest.raises(DataError, match="cannot be unpacked"):
        download.unpack_images(archive, archive.parent)
    assert [path.name for path in archive.parent.iterdir()] == ["malicious.tgz"]
    assert (tmp_path / "secret").read_text() == "mine"


def test_files_of_a_killed_unpacking_are_removed(dataset: Path, tmp_path: Path) -> None:
    (tmp_path / ".unpacking-abc" / "jpg").mkdir(parents=True)
    with tarfile.open(tmp_path / "images.tgz", "w:gz") as tar:
        tar.add(dataset / "flowers-102" / "jpg", "jpg")
    download.unpack_images(tmp_path / "images.tgz", tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"images.tgz", "jpg"}


def test_full_disk_is_not_reported_as_a_damaged_archive(
    dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with tarfile.open(tmp_path / "images.tgz", "w:gz") as tar:
        tar.add(dataset / "flowers-102" / "jpg", "jpg")

    def raise_disk_full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(tarfile, "copyfileobj", raise_disk_full)
    with pytest.raises(DataError, match="No space left") as caught:
        download.unpack_images(tmp_path / "images.tgz", tmp_path)
    assert "delete" not in str(caught.value)
    (tmp_path / "cut.tgz").write_bytes((tmp_path / "images.tgz").read_bytes()[:3000])
    monkeypatch.undo()
    with pytest.raises(DataError, match="delete it and download again"):
        download.unpack_images(tmp_path / "cut.tgz", tmp_path)


def test_existing_weights_need_no_lock_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So they may be in a read-only folder."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    content = b"weights" * 1000
    name = f"resnet50-{hashlib.sha256(content).hexdigest()[:8]}.pth"
    target = tmp_path / "hub" / "checkpoints" / name
    target.parent.mkdir(parents=True)
    target.write_bytes(content)
    assert download.ensure_weights(address=f"http://127.0.0.1:9/{name}") == target
    assert [path.name for path in target.parent.iterdir()] == [name]
