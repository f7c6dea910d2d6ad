"""``flower-infer PHOTOS --output TABLE`` as a whole: crashes, going on, and what it says."""

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from PIL import Image

from runtime.command_line.flower_infer import main
from runtime.services.archive.assembly import PART_ROWS
from tests.runtime.child_process import enable_keyboard_interrupt
from tests.samples.tiny_model import save_tiny_model

ROOT = Path(__file__).parents[4]
PICTURES = 40
"""Different pictures; all others are links to them."""


@pytest.fixture
def model(tmp_path: Path) -> str:
    return str(save_tiny_model(tmp_path / "tiny.onnx"))


def make_archive(folder: Path, count: int) -> Path:
    folder.mkdir()
    for number in range(PICTURES):
        Image.new("RGB", (16, 16), (250, 6 * number, 10)).save(folder / f"{number:05}.png")
    for number in range(PICTURES, count):
        (folder / f"{number:05}.png").hardlink_to(folder / f"{number % PICTURES:05}.png")
    return folder


def make_table(folder: Path, model: str) -> tuple[Path, Path, list[str]]:
    """Answer an archive, and return it, the table, and the arguments of the command."""
    archive, table = make_archive(folder / "archive", PICTURES), folder / "answers.csv"
    arguments = [str(archive), "--model", model, "--processes", "1", "--output", str(table)]
    assert main(arguments) == 0
    return archive, table, arguments


def start(arguments: Sequence[str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "runtime", *arguments],
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=enable_keyboard_interrupt,
    )


def wait_for(condition: Path, process: subprocess.Popen[str]) -> None:
    while not condition.exists():
        assert process.poll() is None, "the command ended before it was killed"
        time.sleep(0.005)


def is_running(number: int) -> bool:
    """Whether a process runs. One that ended and that nobody waits for does not."""
    try:
        return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def children(process: subprocess.Popen[str]) -> list[int]:
    found = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    return [int(number) for number in found.read_text().split()]


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="the children of a process are found on Linux")
@pytest.mark.parametrize("suffix", [".jsonl", ".csv", ".parquet"])
def test_a_killed_run_goes_on_and_makes_the_same_table(tmp_path: Path, model: str, suffix: str) -> None:
    if suffix == ".parquet":
        pytest.importorskip("pyarrow")
    archive = make_archive(tmp_path / "archive", 2 * PART_ROWS + 50)
    table, undisturbed = tmp_path / f"answers{suffix}", tmp_path / f"undisturbed{suffix}"
    arguments = [str(archive), "--model", model, "--processes", "2", "--top", "2"]
    parts = table if suffix == ".parquet" else Path(f"{table}.parts")
    killed = start([*arguments, "--output", str(table)])
    wait_for(parts / f"part-000000{suffix}", killed)
    processes = children(killed)
    killed.kill()
    killed.communicate()
    going_on = start([*arguments, "--output", str(table), "--resume"])
    message = going_on.communicate()[1]
    assert going_on.returncode == 0, message
    assert "were answered before and have not changed" in message
    assert main([*arguments, "--output", str(undisturbed), "--quiet"]) == 0
    if suffix == ".parquet":
        assert [part.name for part in sorted(table.iterdir())] == [f"part-00000{n}.parquet" for n in range(3)]
        assert [part.read_bytes() for part in sorted(table.iterdir())] == [
            part.read_bytes() for part in sorted(undisturbed.iterdir())
        ]
    else:
        assert table.read_bytes() == undisturbed.read_bytes()
        assert not parts.exists()
    assert not any(map(is_running, processes)), "processes outlived the killed one"


def rows_of(table: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in table.read_text().splitlines()]


def test_errors_are_rows_and_the_end_says_what_happened(
    tmp_path: Path, model: str, capsys: pytest.CaptureFixture[str]
) -> None:
    archive = make_archive(tmp_path / "archive", PICTURES + 5)
    (archive / "damaged.jpg").write_bytes(b"no picture")
    (archive / "raw.cr2").write_bytes(b"")
    table = tmp_path / "answers.jsonl"
    names = tmp_path / "names.txt"
    names.write_text(f"{archive / '00000.png'}\n{tmp_path / 'gone.jpg'}\n")
    arguments = [str(archive), "--list", str(names), "--model", model, "--processes", "1", "--output", str(table)]
    assert main(arguments) == 1
    rows = rows_of(table)
    assert len(rows) == PICTURES + 5 + 2, "a photo that is named twice has one row"
    assert {Path(str(row["photo"])).name: row["error_kind"] for row in rows if row["error"]} == {
        "damaged.jpg": "damaged",
        "gone.jpg": "missing",
    }
    said = capsys.readouterr().err
    assert f"{PICTURES + 7} photos: {PICTURES + 7} in this run" in said
    assert "5 had the same bytes as another" in said
    assert "2 could not be read: 1 damaged, 1 missing" in said
    assert "1 .cr2" in said
    assert main(arguments) == 2
    assert "exists; go on with it by --resume" in capsys.readouterr().err
    (archive / "damaged.jpg").unlink()
    assert main([*arguments, "--resume", "--exclude", "gone.jpg"]) == 0
    assert len(rows_of(table)) == PICTURES + 5
    assert "45 were answered before and have not changed" in capsys.readouterr().err


def test_other_options_answer_again(tmp_path: Path, model: str, capsys: pytest.CaptureFixture[str]) -> None:
    archive = make_archive(tmp_path / "archive", PICTURES)
    table = tmp_path / "answers.jsonl"
    arguments = [str(archive), "--model", model, "--processes", "1", "--output", str(table)]
    assert main([*arguments, "--top", "1"]) == 0
    assert main([*arguments, "--top", "2", "--resume"]) == 0
    assert "of another model or other options; their photos are answered again" in capsys.readouterr().err
    assert {len(row["predictions"]) for row in rows_of(table)} == {2}  # type: ignore[arg-type]


def test_the_table_keeps_its_rows_while_the_disk_is_away(
    tmp_path: Path, model: str, capsys: pytest.CaptureFixture[str]
) -> None:
    archive, table, arguments = make_table(tmp_path, model)
    before = table.read_bytes()
    for away in (lambda: archive.rename(tmp_path / "away"), archive.mkdir):
        away()
        assert main([*arguments, "--resume"]) == 2
        assert "the table keeps its rows. Is the disk there?" in capsys.readouterr().err
        assert table.read_bytes() == before


def test_rows_of_photos_that_are_gone_are_counted(
    tmp_path: Path, model: str, capsys: pytest.CaptureFixture[str]
) -> None:
    archive, _, arguments = make_table(tmp_path, model)
    assert "removed" not in capsys.readouterr().err
    for photo in sorted(archive.iterdir())[:2]:
        photo.unlink()
    assert main([*arguments, "--resume"]) == 0
    assert "2 rows were removed: their photos are not there any more" in capsys.readouterr().err


def test_nothing_to_answer_makes_no_table(tmp_path: Path, model: str, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "names").write_text("")
    for photos in ([str(tmp_path / "empty")], ["--list", str(tmp_path / "names")]):
        assert main([*photos, "--model", model, "--output", str(tmp_path / "answers.csv")]) == 2
        assert "no table was made" in capsys.readouterr().err
    assert not [*tmp_path.glob("answers*")]


def test_an_argument_that_never_had_photos_does_not_stop_a_run(tmp_path: Path, model: str) -> None:
    archive = make_archive(tmp_path / "archive", PICTURES)
    (tmp_path / "bad.tar").write_bytes(b"no tar file")
    table = tmp_path / "answers.jsonl"
    arguments = [str(archive), str(tmp_path / "bad.tar"), "--model", model, "--processes", "1", "--output", str(table)]
    for extra in ([], ["--resume"]):
        assert main([*arguments, *extra]) == 1
        assert len(rows_of(table)) == PICTURES + 1


def test_a_folder_below_that_cannot_be_listed_loses_no_rows(
    tmp_path: Path, model: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    archive = tmp_path / "archive"
    archive.mkdir()
    make_archive(archive / "below", PICTURES)
    Image.new("RGB", (16, 16)).save(archive / "first.png")
    table = tmp_path / "answers.jsonl"
    arguments = [f"{archive}/", "--model", model, "--processes", "1", "--output", str(table)]
    assert main(arguments) == 0
    before = table.read_bytes()
    scan = os.scandir

    def fail(path: str | int) -> object:
        if str(path).rstrip("/").endswith("below"):
            raise OSError(errno.EIO, os.strerror(errno.EIO), path)
        return scan(path)

    monkeypatch.setattr("os.scandir", fail)
    for options in ([], ["--top", "1"]):
        assert main([*arguments, *options, "--resume"]) == 2
        assert "the table keeps its rows" in capsys.readouterr().err
        assert table.read_bytes() == before


def test_names_of_a_list_that_are_away_keep_their_answers(tmp_path: Path, model: str) -> None:
    archive = make_archive(tmp_path / "archive", PICTURES)
    names, table = tmp_path / "names.txt", tmp_path / "answers.jsonl"
    names.write_text("".join(f"{path}\n" for path in sorted(archive.iterdir())))
    arguments = ["--list", str(names), "--model", model, "--processes", "1", "--output", str(table)]
    assert main(arguments) == 0
    before = table.read_bytes()
    archive.rename(tmp_path / "away")
    assert main([*arguments, "--resume"]) == 0
    assert table.read_bytes() == before
    names.write_text("")
    assert main([*arguments, "--resume"]) == 2
    assert table.read_bytes() == before


def test_photos_in_tar_files_are_answered_without_unpacking(tmp_path: Path, model: str) -> None:
    archive = make_archive(tmp_path / "archive", PICTURES)
    shutil.make_archive(str(tmp_path / "photos"), "tar", archive)
    table = tmp_path / "answers.jsonl"
    assert main([str(tmp_path / "photos.tar"), "--model", model, "--processes", "1", "--output", str(table)]) == 0
    rows = rows_of(table)
    assert len(rows) == PICTURES
    assert {row["label"] for row in rows} == {"red"}
    assert str(rows[0]["photo"]).startswith(f"{tmp_path / 'photos.tar'}/")


def test_only_one_run_writes_a_table(tmp_path: Path, model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = make_archive(tmp_path / "archive", 2 * PART_ROWS)
    table = tmp_path / "answers.jsonl"
    monkeypatch.setenv("FLOWER_EDGE_CACHE", str(tmp_path / "cache"))
    arguments = [str(archive), "--model", model, "--processes", "1", "--output", str(table)]
    first = start(arguments)
    wait_for(Path(f"{table}.parts") / "part-000000.jsonl", first)
    first.send_signal(signal.SIGSTOP)
    try:
        second = start([*arguments, "--resume"])
        assert "another flower-infer is writing this table" in second.communicate()[1]
        assert second.returncode == 2
    finally:
        first.send_signal(signal.SIGCONT)
        first.communicate()
    assert first.returncode == 0
    assert [path.suffix for path in (tmp_path / "cache").iterdir()] == [".lock"]


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_ends_a_run_in_order(tmp_path: Path, model: str, number: int, status: int) -> None:
    archive = make_archive(tmp_path / "archive", 3 * PART_ROWS)
    table = tmp_path / "answers.jsonl"
    process = start([str(archive), "--model", model, "--processes", "1", "--output", str(table)])
    wait_for(Path(f"{table}.parts") / "part-000000.jsonl", process)
    os.kill(process.pid, number)
    message = process.communicate()[1]
    assert process.returncode == status
    assert "Traceback" not in message
    assert (number == signal.SIGTERM) or "go on with --resume" in message
