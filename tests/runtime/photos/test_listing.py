"""Photos in folders, and what is passed over there."""

from pathlib import Path

import pytest

from runtime.photos.formats import FORMATS, PhotoFormat
from runtime.photos.left_out import LeftOut
from runtime.photos.listing import photos_below


def test_files_of_systems_are_passed_over_and_other_pictures_are_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(FORMATS, "HEIF", PhotoFormat("HEIF", "HEIC", (".heic",), 1, 1, package="no_such_package"))
    for folder in ("@eaDir", "#recycle", "$RECYCLE.BIN", ".Trashes", "lost+found", "__MACOSX", "deep"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a.jpg").touch()
    for name in ("b.jpg", "._b.jpg", "Thumbs.db", "c.HEIC", "d.heic", "e.CR2", "f.svg", "notes.txt", "g.jfif"):
        (tmp_path / name).touch()
    (tmp_path / "elsewhere").symlink_to(tmp_path / "deep")
    left_out = LeftOut()
    names = [Path(name).name for name, _ in photos_below(str(tmp_path), left_out)]
    assert names == ["b.jpg", "g.jfif", "a.jpg"]
    heic, others, links = left_out.sentences()
    assert heic.startswith("2 HEIC photos were left out; run: pip install 'flower-edge[heif]'")
    assert "(1 .cr2, 1 .svg)" in others
    assert links.startswith("1 links")
