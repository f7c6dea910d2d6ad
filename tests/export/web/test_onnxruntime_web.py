"""onnxruntime-web's archive: how it is found, verified and read."""

import base64
import gzip
import hashlib
import io
import tarfile
from pathlib import Path

import pytest

from export.web import onnxruntime_web
from export.web.errors import NpmError
from export.web.onnxruntime_web import VERSION, find_archive, read_archive, verify_archive

Member = tarfile.TarInfo | tuple[str, bytes]


def make_archive(path: Path, members: list[Member]) -> Path:
    """Write an archive; a member is a name with its content, or any other kind of entry."""
    with tarfile.open(path, "w:gz") as tar:
        for member in members:
            if isinstance(member, tarfile.TarInfo):
                tar.addfile(member)
            else:
                info = tarfile.TarInfo(member[0])
                info.size = len(member[1])
                tar.addfile(info, io.BytesIO(member[1]))
    return path


def make_link(name: str, target: str) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = tarfile.SYMTYPE, target
    return member


def test_only_the_named_files_are_read_and_none_is_unpacked(tmp_path: Path) -> None:
    path = make_archive(
        tmp_path / "a.tgz",
        [("package/dist/../../../evil", b"x"), ("/evil", b"x"), make_link("package/evil", "/etc"), ("a", b"other"),
         ("package/dist/sub/a", b"other"), ("package/dist/a", b"content of a"), ("package/dist/b", b"content of b")],
    )  # fmt: skip
    assert read_archive(path, ("a", "b")) == {"a": b"content of a", "b": b"content of b"}
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.tgz"]


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ([make_link("package/dist/a", "/etc/passwd")], "not a regular file"),
        ([("package/dist/b", b"")], "does not contain a"),
        ([], "does not contain a"),
        ([("package/dist/a", bytes(5000))], "too large"),
        ([(f"package/{index}", bytes(900)) for index in range(20)], "unpacks to more"),
    ],
    ids=["link", "missing", "empty", "large file", "large archive"],
)
def test_hostile_archive_is_rejected(
    members: list[Member], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(onnxruntime_web, "MAX_FILE_BYTES", 4000)
    monkeypatch.setattr(onnxruntime_web, "MAX_UNPACKED_BYTES", 10_000)
    with pytest.raises(NpmError, match=message):
        read_archive(make_archive(tmp_path / "a.tgz", members), ("a",))


@pytest.mark.parametrize("content", [b"", b"text", b"\x1f\x8b\x08", gzip.compress(b"no tar" * 100, mtime=0)])
def test_file_that_is_not_an_archive_is_rejected(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.tgz").write_bytes(content)
    with pytest.raises(NpmError, match=r"a\.tgz"):
        read_archive(tmp_path / "a.tgz", ("a",))


def test_archive_must_be_the_published_one(tmp_path: Path) -> None:
    path = make_archive(tmp_path / "a.tgz", [("package/dist/a", b"a")])
    integrity = "sha512-" + base64.b64encode(hashlib.sha512(path.read_bytes()).digest()).decode()
    verify_archive(path, integrity)
    with pytest.raises(NpmError, match="as published"):
        verify_archive(path)
    path.write_bytes(path.read_bytes() + b"\0")
    with pytest.raises(NpmError, match="as published"):
        verify_archive(path, integrity)
    with pytest.raises(NpmError, match="cannot be read"):
        verify_archive(tmp_path / "missing.tgz", integrity)


def test_missing_npm_is_reported_with_both_remedies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NpmError, match=r"install Node\.js .*--onnxruntime-web FILE"):
        find_archive()


def test_cached_archive_is_verified_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("PATH", "")
    cached = tmp_path / "flower-edge" / f"onnxruntime-web-{VERSION}.tgz"
    cached.parent.mkdir()
    cached.write_bytes(b"half of it")
    with pytest.raises(NpmError, match="npm is not installed"):
        find_archive()
    assert not cached.exists()
