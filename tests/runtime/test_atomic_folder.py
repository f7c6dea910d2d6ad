"""Folders that are replaced as a whole."""

import os
from pathlib import Path

import pytest

from runtime.files.atomic import atomic_folder


def test_folder_is_replaced_completely_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "folder"
    for content in ("old", "new"):
        with atomic_folder(target) as folder:
            (folder / "file").write_text(content)
        assert (target / "file").read_text() == content
    with pytest.raises(FileNotFoundError), atomic_folder(target) as folder:
        (folder / "missing").rename(folder / "file")
    assert (target / "file").read_text() == "new"
    monkeypatch.chdir(tmp_path)
    with atomic_folder("relative") as folder:
        (folder / "file").write_text("content")
    assert (tmp_path / "relative" / "file").read_text() == "content"
    assert target.stat().st_mode & 0o777 == 0o777 & ~current_umask()
    assert {path.name for path in tmp_path.iterdir()} == {"folder", "relative"}


def current_umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
