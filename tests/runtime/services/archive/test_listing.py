"""The photos of an archive: their order, and the reading of their bytes."""

import io
import os
import tarfile
from collections import Counter
from pathlib import Path

import pytest

from runtime import FlowerError, PhotoError, UnreadableError
from runtime.errors import MissingPhotoError, TruncatedPhotoError
from runtime.photos.finding.excluded import Excluded
from runtime.photos.limits import MAX_BYTES
from runtime.services.archive.sources.listing import list_archive
from runtime.services.archive.sources.photo import ArchivePhoto
from runtime.services.archive.sources.reading import read_archive_photo


def write_tar(path: Path, photos: dict[str, bytes]) -> None:
    with tarfile.open(path, "w") as tar:
        for name, content in photos.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))


@pytest.fixture
def archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An archive in the current folder."""
    for name in ("z.jpg", "2019/a.png", "2019/thumbs/t.jpg", "2019/x.nef", "empty/notes.txt"):
        (tmp_path / "photos" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "photos" / name).write_bytes(name.encode())
    write_tar(
        tmp_path / "photos" / "shard.TAR", {"2.jpg": b"two", "1.jpg": b"one", "k.json": b"{}", "s/thumbs/b.gif": b"b"}
    )
    (tmp_path / "photos" / "old.tar.gz").write_bytes(b"\x1f\x8b")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_files_lists_and_tar_files_have_one_order_and_give_their_bytes(archive: Path) -> None:
    (archive / "names.txt").write_text("photos/shard.TAR\nphotos/2019/a.png\nphotos/2019/thumbs/t.jpg\n")
    left_out: Counter[str] = Counter()
    found = list(
        list_archive(
            ["photos", "photos/*/a.png", "photos/2019/thumbs/t.jpg"],
            list_file="names.txt",
            excluded=Excluded(["thumbs"]),
            left_out=left_out,
        )
    )
    in_tar = {"photos/shard.TAR/2.jpg": b"two", "photos/shard.TAR/1.jpg": b"one"}
    contents = {**in_tar, "photos/z.jpg": b"z.jpg", "photos/2019/a.png": b"2019/a.png"}
    assert [photo.name for photo in found] == [
        "photos/old.tar.gz", *contents, "photos/2019/a.png", "photos/2019/thumbs/t.jpg", *in_tar, "photos/2019/a.png",
    ]  # fmt: skip
    assert "compressed tar file" in str(found[0].error)
    for photo in found[1:5]:
        status = Path(photo.container or photo.name).stat()
        assert (photo.size, photo.modified_ns, photo.error) == (len(contents[photo.name]), status.st_mtime_ns, None)
        assert read_archive_photo(photo) == contents[photo.name]
    assert left_out == {".nef": 1}


def test_what_is_no_photo_is_an_error_in_its_place(archive: Path) -> None:
    os.mkfifo("fifo")
    Path("names").write_text(
        "nowhere.jpg\nphotos/2019\nphotos/z.jpg/x.jpg\nfifo\nhttps://flowers.example/a.jpg\n*.jpg\n-"
    )
    write_tar(archive / "none.tar", {"a.txt": b"a"})
    (archive / "cut.tar").write_bytes((archive / "photos" / "shard.TAR").read_bytes()[:1300])
    found = list(list_archive(["photos/empty", "nowhere/*", "", "none.tar", "cut.tar"], list_file="names"))
    assert [(photo.name, str(photo.error).removeprefix(f"{photo.name}: ").partition(" (")[0]) for photo in found] == [
        ("photos/empty", "no photos in this folder"),
        ("nowhere/*", "no file matches this pattern"),
        ("", "a photo's name is empty; check whether a shell variable is not set"),
        ("none.tar", "no photos in this tar file"),
        ("cut.tar/2.jpg", "None"),
        ("cut.tar", "the tar file ends early; copy it again"),
        ("nowhere.jpg", "no such file"),
        ("photos/2019", "is a folder, not a photo"),
        ("photos/z.jpg/x.jpg", "cannot be read"),
        ("fifo", "not a file"),
        ("https://flowers.example/a.jpg", "addresses are not downloaded; give files"),
        ("*.jpg", "no such file"),
        ("-", "no such file"),
    ]
    assert isinstance(found[6].error, MissingPhotoError)
    assert isinstance(found[5].error, TruncatedPhotoError)
    assert {(photo.size, photo.modified_ns) for photo in found if photo.error} == {(0, 0)}


def test_standard_input_and_a_missing_list_are_refused_at_once(archive: Path) -> None:
    with pytest.raises(FlowerError, match="a table needs photos with names; give files or folders"):
        list_archive(["photos", "-"])
    with pytest.raises(FlowerError, match=r"missing\.txt: cannot be read"):
        list_archive([], list_file="missing.txt")


def test_a_tar_file_that_changed_after_the_listing_may_be_read_later(archive: Path) -> None:
    tar = archive / "photos" / "shard.TAR"
    photo = next(list_archive([str(tar)]))
    assert read_archive_photo(photo) == b"two"
    os.utime(tar, ns=(1, 1))
    with pytest.raises(UnreadableError, match="changed while it was read") as caught:
        read_archive_photo(photo)
    assert caught.value.passing
    tar.unlink()
    with pytest.raises(MissingPhotoError, match="no such file"):
        read_archive_photo(photo)


@pytest.mark.parametrize(
    ("offset", "size", "message", "kind"),
    [
        (512, 0, "photo.jpg: the file is empty", TruncatedPhotoError),
        (512, MAX_BYTES + 1, "photo.jpg: larger than 64 MB", PhotoError),
        (512, MAX_BYTES, "photo.jpg: incomplete", TruncatedPhotoError),
        (10**12, 1, "photo.jpg: incomplete", TruncatedPhotoError),
    ],
)
def test_limits_of_photos_in_tar_files(
    offset: int, size: int, message: str, kind: type[PhotoError], archive: Path
) -> None:
    tar = archive / "photos" / "shard.TAR"
    photo = ArchivePhoto("photo.jpg", str(tar), offset, size, tar.stat().st_mtime_ns)
    with pytest.raises(kind, match=message):
        read_archive_photo(photo)


def test_a_photo_of_its_own_has_the_errors_of_any_photo(archive: Path) -> None:
    with pytest.raises(MissingPhotoError, match="no such file"):
        read_archive_photo(ArchivePhoto("nowhere.jpg"))
