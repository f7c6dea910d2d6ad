"""The files of one export are written together or not at all."""

import errno
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from export.files.manifest import NAME, read_manifest
from export.files.output_files import model_file_name, write_together
from runtime.files.atomic import atomic_file, atomic_folder, remove_leftovers
from tests.samples.tiny_model import INFO

OLD = {"flowers-a.onnx": b"old a", "flowers-b.onnx": b"old b", "flowers-c.ort": b"old c"}
NEW = {name: content.replace(b"old", b"new") for name, content in OLD.items()}


def contents_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize(
    ("dataset", "name"),
    [
        ("Oxford 102 Flowers", "flowers-resnet50-int8.onnx"),
        ("my-plants", "my-plants-resnet50-int8.onnx"),
        ("Gärten & Höfe 2026", "Garten-Hofe-2026-resnet50-int8.onnx"),
        ("../.. /x", "x-resnet50-int8.onnx"),
        ("植物", "flowers-resnet50-int8.onnx"),
        ("x" * 99, f"{'x' * 40}-resnet50-int8.onnx"),
        (None, "flowers-resnet50-int8.onnx"),
    ],
)
def test_files_are_named_after_their_data_set(dataset: object, name: str) -> None:
    info = replace(INFO, architecture="resnet50", training={"provenance": {"dataset": dataset}})
    assert model_file_name(info, "int8") == name
    assert model_file_name(replace(info, training={}), "int8") == "flowers-resnet50-int8.onnx"


def test_full_disk_at_the_second_file_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_together(tmp_path, OLD)
    (tmp_path / NAME).write_text("0" * 64 + "  other.onnx\n" + (tmp_path / NAME).read_text())
    before = contents_of(tmp_path)
    synced: list[int] = []
    fsync = os.fsync

    def fail_at_the_third_file(file: int) -> None:
        synced.append(file)
        if len(synced) == 3:  # the manifest is the first
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        fsync(file)

    with monkeypatch.context() as context:
        context.setattr(os, "fsync", fail_at_the_third_file)
        with pytest.raises(OSError, match="No space left"):
            write_together(tmp_path, NEW)
    assert contents_of(tmp_path) == before
    write_together(tmp_path, NEW)
    assert {name: content for name, content in contents_of(tmp_path).items() if name != NAME} == NEW
    assert read_manifest(tmp_path).keys() == {*NEW, "other.onnx"}


@pytest.mark.parametrize("renames", [0, 1, 2, 3])
def test_kill_between_two_renames_leaves_complete_files(renames: int, tmp_path: Path) -> None:
    write_together(tmp_path, OLD)
    manifest = (tmp_path / NAME).read_bytes()
    code = f"""
import os, pathlib
from export.files.output_files import write_together
rename, done = pathlib.Path.replace, []
def exit_at_rename(path, target):
    if len(done) == {renames}:
        os._exit(9)
    done.append(target)
    return rename(path, target)
pathlib.Path.replace = exit_at_rename
write_together(pathlib.Path({str(tmp_path)!r}), {NEW!r})
"""
    assert subprocess.run([sys.executable, "-c", code]).returncode == 9
    contents = contents_of(tmp_path)
    names = list(NEW)
    assert {name: contents[name] for name in names} == {
        name: (NEW if index < renames else OLD)[name] for index, name in enumerate(names)
    }
    assert contents[NAME] == manifest
    assert any(name.endswith(".tmp") for name in contents)
    with atomic_file(tmp_path / "last.pt") as training_file:  # of a training run in the same folder
        write_together(tmp_path, NEW)
        assert {path.name for path in tmp_path.iterdir()} == {*NEW, NAME, training_file.name}


def test_folder_is_old_or_new_after_ctrl_c_and_through_a_link(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target, link = tmp_path / "real", tmp_path / "link"
    target.mkdir()
    (target / "a").write_text("old")
    link.symlink_to(target)
    rename = Path.rename

    def interrupt_rename(path: Path, to: Path) -> Path:
        if path.suffix == ".tmp":
            raise KeyboardInterrupt
        return rename(path, to)

    with monkeypatch.context() as context:
        context.setattr(Path, "rename", interrupt_rename)
        with pytest.raises(KeyboardInterrupt), atomic_folder(link) as folder:
            (folder / "a").write_text("new")
    assert (link / "a").read_text() == "old"
    with atomic_folder(link) as folder:
        (folder / "a").write_text("new")
    assert (target / "a").read_text() == "new"
    assert {path.name for path in tmp_path.iterdir()} == {"real", "link"}


def test_only_matching_files_are_removed_as_leftovers(tmp_path: Path) -> None:
    for name in (".best.pt.x1.tmp", ".flowers-a.onnx.x2.tmp"):
        (tmp_path / name).touch()
    (tmp_path / ".best.pt.folder.tmp").mkdir()
    remove_leftovers(tmp_path, "best.pt")
    assert {path.name for path in tmp_path.iterdir()} == {".flowers-a.onnx.x2.tmp", ".best.pt.folder.tmp"}
