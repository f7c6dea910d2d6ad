"""Photos in tar files: of all formats, of damaged and forged files, and of files with very many members."""

import gzip
import io
import tarfile
import tracemalloc
from collections import Counter
from pathlib import Path

import pytest

from runtime import PhotoError
from runtime.errors import DamagedPhotoError, MissingPhotoError, TruncatedPhotoError
from runtime.photos.finding.excluded import Excluded
from runtime.photos.finding.tar_headers import MAX_HEADER_BYTES, regular_members
from runtime.photos.finding.tar_members import photos_in_tar

END = bytes(1024)


def header(name: str | bytes, size: int = 0, kind: bytes = b"0", *, size_field: bytes | None = None) -> bytes:
    """A header with a valid checksum."""
    block = bytearray(512)
    encoded = name if isinstance(name, bytes) else name.encode()
    block[: len(encoded)] = encoded
    block[124:136] = size_field or b"%011o\0" % size
    block[148:156], block[156:157], block[257:263] = b" " * 8, kind, b"ustar\0"
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


def padded(content: bytes) -> bytes:
    return content + bytes(-len(content) % 512)


def pax(records: bytes) -> bytes:
    return header("pax", len(records), b"x") + padded(records)


def names(path: Path) -> list[str]:
    return [member.name for member in photos_in_tar(str(path))]


@pytest.mark.parametrize("tar_format", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_members_are_found_where_they_lie(tar_format: int, tmp_path: Path) -> None:
    photos = {"./a.jpg": b"A" * 600, "2019/ä b.PNG": b"B", "d" * 90 + "/" + "e" * 80 + ".jpg": b"C" * 512, "z.gif": b""}
    if tar_format != tarfile.USTAR_FORMAT:
        photos |= {"long/" * 90 + "f.jpg": b"D", "caf\udce9.jpg": b"E" * 9, "../../etc/g.jpg": b"F", "/h.jpg": b"G"}
    with tarfile.open(tmp_path / "a.tar", "w", format=tar_format) as tar:
        for name, content in photos.items():
            folder = tarfile.TarInfo(f"{name}.folder.jpg")
            folder.type = tarfile.DIRTYPE
            tar.addfile(folder)
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
            for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE):
                other = tarfile.TarInfo(f"{name}.link.jpg")
                other.type, other.linkname = kind, "t" * 200 if tar_format != tarfile.USTAR_FORMAT else "t"
                tar.addfile(other)
    data = (tmp_path / "a.tar").read_bytes()
    found = list(photos_in_tar(str(tmp_path / "a.tar")))
    assert {member.name: data[member.offset :][: member.size] for member in found} == photos
    assert [member.name for member in found] == list(photos)


def test_only_photos_that_are_not_hidden_or_excluded_are_taken(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        for name in ("a.jpg", ".b.jpg", "x/.y/c.jpg", "@eaDir/d.jpg", "e.txt", "f.NEF", "g.json", "raw/h.jpg", "i.tar"):
            tar.addfile(tarfile.TarInfo(name))
    left_out: Counter[str] = Counter()
    found = photos_in_tar(str(tmp_path / "a.tar"), left_out, excluded=Excluded(["raw/*"]))
    assert [member.name for member in found] == ["a.jpg"]
    assert left_out == {".nef": 1}


def test_sparse_files_are_left_out_and_what_follows_them_is_found(tmp_path: Path) -> None:
    old = bytearray(header("old.jpg", 512, b"S"))
    old[482] = 1
    old[148:156] = b" " * 8
    old[148:156] = b"%06o\0 " % sum(old)
    more = bytearray(512)
    more[504] = 1
    sparse = bytes(old) + bytes(more) + bytes(512) + header("data.jpg") + pax(b"22 GNU.sparse.major=1\n")
    (tmp_path / "a.tar").write_bytes(sparse + header("new.jpg", 3) + padded(b"new") + header("b.jpg") + END)
    assert names(tmp_path / "a.tar") == ["b.jpg"]


def test_sizes_in_all_notations_are_read(tmp_path: Path) -> None:
    fields = (b"00000000003\0", b"          3 ", b"3\0garbage...", b"\x80" + bytes(10) + b"\3")
    members = [header(f"{place}.jpg", size_field=field) + padded(b"abc") for place, field in enumerate(fields)]
    members.append(pax(b"9 size=3\n") + header("pax.jpg", 0) + padded(b"abc"))
    (tmp_path / "a.tar").write_bytes(b"".join(members) + END)
    assert [member.size for member in photos_in_tar(str(tmp_path / "a.tar"))] == [3] * 5


GOOD = header("good.jpg", 3) + padded(b"abc")


@pytest.mark.parametrize(
    ("rest", "message", "kind"),
    [
        (b"", "ends early", TruncatedPhotoError),
        (header("b.jpg")[:300], "ends early", TruncatedPhotoError),
        (header("b.jpg", 9999) + b"x" * 9000, "ends early", TruncatedPhotoError),
        (header("b.jpg", size_field=b"\x80" + b"\xff" * 11) + END, "ends early", TruncatedPhotoError),
        (pax(b"28 size=9999999999999999999\n") + header("b.jpg") + END, "ends early", TruncatedPhotoError),
        (header("b", 700, b"x") + b"x" * 600, "ends early", TruncatedPhotoError),
        (header("b", 10**9, b"g") + END, "ends early", TruncatedPhotoError),
        (header("b.jpg", size_field=b"\xff" * 12) + END, "byte 1,024 is not valid", DamagedPhotoError),
        (header("b.jpg", size_field=b"-0000000001\0") + END, "not valid", DamagedPhotoError),
        (b"x" * 512 + END, "byte 1,024 is not valid", DamagedPhotoError),
        (pax(b"9 size=-3") + END, "not valid", DamagedPhotoError),
        (pax(b"0 size=3\n") + END, "not valid", DamagedPhotoError),
        (pax(b"99 path=a.jpg\n") + END, "not valid", DamagedPhotoError),
        (pax(b"9" * 600) + END, "not valid", DamagedPhotoError),
        (header("b", MAX_HEADER_BYTES + 1, b"x") + bytes(MAX_HEADER_BYTES + 512), "too large", DamagedPhotoError),
        (header("b", 8**11 - 1, b"L") + END, "too large", DamagedPhotoError),
    ],
)
def test_a_damaged_tar_file_gives_what_lies_before_the_damage_and_an_error(
    rest: bytes, message: str, kind: type[PhotoError], tmp_path: Path
) -> None:
    (tmp_path / "a.tar").write_bytes(GOOD + rest)
    members = photos_in_tar(str(tmp_path / "a.tar"))
    assert next(members).name == "good.jpg"
    with pytest.raises(kind, match=message):
        next(members)


def test_a_long_chain_of_headers_is_no_recursion(tmp_path: Path) -> None:
    (tmp_path / "a.tar").write_bytes(pax(b"14 path=x.jpg\n") * 3000 + header("b.txt") + END)
    assert names(tmp_path / "a.tar") == ["x.jpg"]


def test_memory_does_not_grow_with_the_members() -> None:
    tar = io.BytesIO(b"".join(header(f"{number}.jpg", 0) for number in range(5_000)) + END)
    tracemalloc.start()
    try:
        assert sum(1 for _ in regular_members(tar, len(tar.getbuffer()), "a.tar")) == 5_000
        assert tracemalloc.get_traced_memory()[1] < 1e5
    finally:
        tracemalloc.stop()


def test_what_is_no_tar_file_is_an_error(tmp_path: Path) -> None:
    content = GOOD + END
    for name, written, message in (
        ("a.tar.gz", gzip.compress(content), "a compressed tar file; unpack it first: gunzip"),
        ("a.TGZ", b"", "gunzip"),
        ("b.tar", gzip.compress(content), "gunzip"),
        ("c.tar.zst", b"", "unzstd"),
        ("d.tar.xz", b"", "unxz"),
        ("e.tar.bz2", b"", "bunzip2"),
        ("text.tar", b"hello", "not a tar file"),
        ("long.tar", b"hello" * 999, "not a tar file"),
        ("empty.tar", b"", "ends early"),
    ):
        (tmp_path / name).write_bytes(written)
        with pytest.raises(PhotoError, match=message):
            names(tmp_path / name)
    with pytest.raises(MissingPhotoError, match="no such file"):
        names(tmp_path / "missing.tar")
    with pytest.raises(PhotoError, match="Is a directory"):
        names(tmp_path)
