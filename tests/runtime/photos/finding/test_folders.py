"""Photos in folders: the order, what a folder that cannot be read costs, and folders with very many names."""

import errno
import os
from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from runtime import FlowerError
from runtime.photos.finding import listing
from runtime.photos.finding.left_out import is_never_photo
from runtime.photos.finding.listing import list_photos, photos_below
from runtime.photos.finding.sorted_names import sorted_names


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Photos in folders whose names sort in a different way than their paths do."""
    for place in ("", "b", "b/c", "b c", "b.d", "a.jpg", "@eaDir", ".hidden"):
        (tmp_path / "photos" / place).mkdir(parents=True, exist_ok=True)
        for name in ("2.jpg", "10.jpg", "Z.PNG", "a\nb.gif", "ä.jpg", ".x.jpg", "notes.txt", "raw.NEF", "sub.jpeg"):
            (tmp_path / "photos" / place / name).touch()
    (tmp_path / "photos" / "link.jpg").symlink_to(tmp_path / "photos" / "b")
    (tmp_path / "photos" / "broken.jpg").symlink_to("nowhere")
    return tmp_path / "photos"


def walked(folder: Path) -> list[str]:
    """The photos in the order of a sorted `os.walk`."""
    found = []
    for parent, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not is_never_photo(name))
        found += [
            str(Path(parent, name))
            for name in sorted(files)
            if not is_never_photo(name) and Path(name).suffix.lower() in (".jpg", ".jpeg", ".png", ".gif")
        ]
    return found


@pytest.mark.parametrize("run_length", [1, 3, 1000])
def test_a_folder_with_many_names_has_the_order_of_a_small_one(
    folder: Path, run_length: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "sorted_names", partial(sorted_names, run_length=run_length))
    left_out: Counter[str] = Counter()
    found = list(photos_below(str(folder), left_out))
    assert [name for name, _ in found] == [photo for _, photo in found] == walked(folder)
    assert str(folder / "broken.jpg") in walked(folder)
    assert left_out == {".nef": 6}


def test_names_begin_as_the_folder_was_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    for named, first, last in ((".", "10.jpg", "b.d/ä.jpg"), ("./b/", "b/10.jpg", "b/c/ä.jpg")):
        names = [name for name, _ in photos_below(named)]
        assert (names[0], names[-1]) == (first, last)


@pytest.mark.parametrize("most", [1, 100])
def test_a_folder_that_cannot_be_read_to_its_end_is_an_error_and_gives_no_photos(
    folder: Path, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Failing:
        """Fails when all entries of the folder are read."""

        def __init__(self, path: str) -> None:
            self._entries = scandir(path)
            self._fails = Path(path).name in ("b", "b c")

        def __enter__(self) -> "Failing":
            return self

        def __exit__(self, *_: object) -> None:
            self._entries.close()

        def __iter__(self) -> Any:
            yield from self._entries
            if self._fails:
                raise OSError(errno.EIO, os.strerror(errno.EIO))

    expected = [name for name in walked(folder) if "/b/" not in name and "/b c/" not in name]
    scandir = os.scandir
    monkeypatch.setattr(listing, "MAX_ERRORS", most)
    monkeypatch.setattr("runtime.photos.finding.listing.os.scandir", Failing)
    left_out: Counter[str] = Counter()
    found = list(photos_below(str(folder), left_out))
    errors = [name for name, photo in found if isinstance(photo, FlowerError) and photo.passing]
    assert errors == [str(folder / "b"), str(folder / "b c")]
    assert [name for name, photo in found if photo == name] == expected
    assert left_out == {".nef": 3}
    assert most == 1 or [name for name, _ in found[-2:]] == errors


def test_a_folder_that_is_missing_is_an_error(tmp_path: Path) -> None:
    ((name, error),) = photos_below(str(tmp_path / "nowhere"))
    assert (name, str(error)) == (
        str(tmp_path / "nowhere"),
        f"{tmp_path}/nowhere: cannot be read (No such file or directory)",
    )


def test_other_suffixes_can_be_asked_for(folder: Path) -> None:
    found = list_photos([str(folder)], suffixes=(".txt",))
    assert {Path(name).name for name, _ in found} == {"notes.txt"}
