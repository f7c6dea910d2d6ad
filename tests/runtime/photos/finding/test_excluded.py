"""Files and folders that a user leaves out by patterns."""

import os
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from runtime import FlowerError
from runtime.photos.finding.excluded import NOTHING_EXCLUDED, Excluded
from runtime.photos.finding.listing import list_photos


@pytest.mark.parametrize(
    ("pattern", "matching", "others"),
    [
        ("thumbnails", ["thumbnails", "2019/thumbnails", "2019/thumbnails/a.jpg"], ["thumbnails.jpg", "Thumbnails"]),
        ("thumbnails/", ["thumbnails", "2019/thumbnails/a.jpg"], ["thumbnails2"]),
        ("*_small.jpg", ["a_small.jpg", "b/c/a\n_small.jpg", "/b/\udcff_small.jpg"], ["a_small.jpg2", "_small.JPG"]),
        ("[ab]?.png", ["a1.png", "x/b2.png"], ["c1.png", "a.png"]),
        ("2019/raw/*", ["2019/raw/a.jpg", "2019/raw/b/c.jpg", "./2019/raw/x"], ["2019/raw", "x/2019/raw/a.jpg"]),
        ("2019/*.jpg", ["2019/a.jpg"], ["2019/raw/a.jpg", "2019"]),
        ("/raw", ["raw", "raw/a.jpg"], ["2019/raw"]),
        ("**/raw/*.jpg", ["raw/a.jpg", "x/y/raw/a.jpg"], ["raw/x/a.jpg", "raw"]),
        ("2019/**/raw", ["2019/raw", "2019/a/b/raw/c"], ["2020/a/raw"]),
    ],
)
def test_patterns_of_names_and_of_paths(pattern: str, matching: list[str], others: list[str]) -> None:
    excluded = Excluded(["*.never", pattern, "never/*"])
    assert excluded
    assert [path for path in matching if not excluded.matches(path)] == []
    assert [path for path in others if excluded.matches(path)] == []


def test_an_empty_pattern_is_refused_and_without_patterns_nothing_is_excluded() -> None:
    for pattern in ("", "/", "//"):
        with pytest.raises(FlowerError, match="empty"):
            Excluded([pattern])
    assert not NOTHING_EXCLUDED
    assert not NOTHING_EXCLUDED.matches("a.jpg")


def test_what_is_excluded_is_not_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a.jpg", "a_small.jpg", "thumbs/b.jpg", "2019/c.jpg", "2019/raw/d.jpg", "2019/x.nef", "raw/e.jpg"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    read: list[str] = []
    scandir = os.scandir

    def scandir_recorded(path: str) -> Any:
        read.append(Path(path).name)
        return scandir(path)

    monkeypatch.setattr("runtime.photos.finding.listing.os.scandir", scandir_recorded)
    excluded = Excluded(["thumbs", "*_small.jpg", "2019/raw", "*.nef"])
    left_out: Counter[str] = Counter()
    expected = ["a.jpg", "2019/c.jpg", "raw/e.jpg"]
    found = [name for name, _ in list_photos([str(tmp_path)], left_out, excluded=excluded)]
    assert found == [str(tmp_path / name) for name in expected]
    assert read == [tmp_path.name, "2019", "raw"]
    for pattern in ("*", "**/*.jpg"):
        found = [name for name, _ in list_photos([f"{tmp_path}/{pattern}"], left_out, excluded=excluded)]
        assert sorted(found) == sorted(str(tmp_path / name) for name in expected)
    assert left_out == {}


def test_a_file_that_is_named_is_taken_and_a_folder_of_which_nothing_is_left_says_so(tmp_path: Path) -> None:
    photo = tmp_path / "thumbs" / "a.jpg"
    photo.parent.mkdir()
    photo.touch()
    excluded = Excluded(["thumbs", "*.jpg"])
    arguments = [str(photo), str(photo.parent), str(tmp_path), f"{tmp_path}/*/*.jpg"]
    named, *rest = list_photos(arguments, excluded=excluded)
    assert named == (str(photo), str(photo))
    assert [name for name, _ in rest] == arguments[1:]
    assert all("that are not excluded" in str(error) for _, error in rest[:2])
