"""Files and folders that are replaced as a whole."""

import os
from pathlib import Path

import pytest

from runtime.files.atomic import atomic_folder, write_text


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
    assert {path.name for path in tmp_path.iterdir()} == {"folder", "relative"}


def test_files_and_folders_get_the_usual_permissions_without_a_change_of_the_umask(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The umask belongs to the process: while it is 0, other threads make files that everyone may write."""
    before = os.umask(0o027)
    try:
        monkeypatch.setattr(os, "umask", lambda _: pytest.fail("the umask was changed"))
        write_text(tmp_path / "file", "content")
        with atomic_folder(tmp_path / "folder"):
            pass
    finally:
        monkeypatch.undo()
        os.umask(before)
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o640
    assert (tmp_path / "folder").stat().st_mode & 0o777 == 0o750
