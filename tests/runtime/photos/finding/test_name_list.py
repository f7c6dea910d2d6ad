"""Names of photos in a text file."""

import io
import os
import sys
import tracemalloc
from pathlib import Path

import pytest

from runtime import FlowerError
from runtime.photos.finding.name_list import BLOCK_BYTES, MAX_NAME_BYTES, names_in


@pytest.mark.parametrize(
    ("content", "names"),
    [
        (b"a.jpg\nb c.jpg\n", ["a.jpg", "b c.jpg"]),
        (b"\xef\xbb\xbf a.jpg \r\n\r\n\n#b.jpg\r\nc", [" a.jpg ", "#b.jpg", "c"]),
        (b"a\nb\r\n.jpg\0\0c.jpg\0", ["a\nb\r\n.jpg", "c.jpg"]),
        (b"a.jpg\0c.jpg", ["a.jpg", "c.jpg"]),
        ("Käthe.jpg\n".encode() + b"caf\xe9.jpg", ["Käthe.jpg", "caf\udce9.jpg"]),
        (b"", []),
        (b"\n", []),
    ],
)
def test_names_one_a_line_or_each_with_a_nul(content: bytes, names: list[str], tmp_path: Path) -> None:
    (tmp_path / "list").write_bytes(content)
    assert list(names_in(str(tmp_path / "list"))) == names


@pytest.mark.parametrize("separator", [b"\n", b"\0", b"\r\n"])
def test_names_that_lie_across_blocks_stay_whole(separator: bytes, tmp_path: Path) -> None:
    names = [f"{number}/".ljust(number % 977 + 10, "x") for number in range(1000)] + ["y" * MAX_NAME_BYTES]
    content = separator.join(map(os.fsencode, names))
    assert len(content) > 4 * BLOCK_BYTES
    (tmp_path / "list").write_bytes(content)
    assert list(names_in(str(tmp_path / "list"))) == names


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a.jpg\n" + b"x" * (MAX_NAME_BYTES + 1), "name 2 is longer than 32 KiB"),
        (b"x" * (MAX_NAME_BYTES + 1) + b"\n", "name 1 is longer"),
        ("a.jpg\n".encode("utf-16"), "UTF-16"),
    ],
)
def test_a_file_that_is_no_list_is_refused(content: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / "list").write_bytes(content)
    with pytest.raises(FlowerError, match=message):
        list(names_in(str(tmp_path / "list")))


def test_a_list_that_cannot_be_read_is_refused_at_once(tmp_path: Path) -> None:
    for path, message in ((tmp_path / "nowhere", "No such file"), (tmp_path, "directory"), ("\0", "null")):
        with pytest.raises(FlowerError, match=f"cannot be read .*{message}"):
            names_in(str(path))


def test_names_from_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.TextIOWrapper(io.BytesIO(b"a.jpg\nb.jpg"))
    monkeypatch.setattr(sys, "stdin", stream)
    assert list(names_in("-")) == ["a.jpg", "b.jpg"]
    assert not stream.closed
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(FlowerError, match="standard input is closed"):
        names_in("-")


def test_a_long_list_needs_no_memory(tmp_path: Path) -> None:
    (tmp_path / "list").write_bytes(b"".join(b"2019/IMG_%06d.jpg\n" % number for number in range(40_000)))
    tracemalloc.start()
    try:
        assert sum(1 for _ in names_in(str(tmp_path / "list"))) == 40_000
        assert tracemalloc.get_traced_memory()[1] < 1e6  # all names together take 2.6 MB
    finally:
        tracemalloc.stop()
