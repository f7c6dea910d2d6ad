"""The command ``flower-infer``."""

import io
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from runtime.cli import main
from runtime.version import __version__
from tests.tiny_model import save_tiny_model

ROOT = Path(__file__).parents[1]


@pytest.fixture
def model(tmp_path: Path) -> str:
    return str(save_tiny_model(tmp_path / "tiny.onnx"))


@pytest.fixture
def red(tmp_path: Path) -> Path:
    path = tmp_path / "red.png"
    Image.new("RGB", (30, 20), (250, 20, 10)).save(path)
    return path


def test_a_table_for_people(model: str, red: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--model", model, "--top", "2", str(red)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == str(red)
    assert lines[1].split()[:2] == ["red", "100.0%"]
    assert len(lines) == 3


def test_json_for_programs(model: str, red: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--model", model, "--json", str(red), str(red)]) == 0
    answers = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [answer["photo"] for answer in answers] == [str(red)] * 2
    assert [p["label"] for p in answers[0]["predictions"]] == ["red", "green", "blue"]
    assert sum(p["probability"] for p in answers[0]["predictions"]) == pytest.approx(1, abs=1e-5)


def test_a_folder_stands_for_the_photos_below_it(
    model: str, red: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "folder"
    (folder / "deep").mkdir(parents=True)
    (folder / ".hidden").mkdir()
    for name in ("b.PNG", "a.png", "deep/c.png", ".hidden.png", ".hidden/d.png", "notes.txt"):
        shutil.copy(red, folder / name)
    (folder / "loop").symlink_to(folder)
    assert main(["--model", model, "--json", str(folder)]) == 0
    names = [json.loads(line)["photo"] for line in capsys.readouterr().out.splitlines()]
    assert names == [str(folder / name) for name in ("a.png", "b.PNG", "deep/c.png")]


def test_standard_input(
    model: str, red: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(red.read_bytes())))
    assert main(["--model", model, "--json", "-"]) == 0
    assert json.loads(capsys.readouterr().out)["photo"] == "-"


def test_good_photos_are_answered_beside_bad_ones(
    model: str, red: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "text.jpg").write_text("hello")
    (tmp_path / "empty").mkdir()
    bad = [str(tmp_path / "text.jpg"), str(tmp_path / "empty"), str(tmp_path / "missing\n.jpg"), "long" * 99]
    assert main(["--model", model, "--json", *bad, str(red)]) == 1
    captured = capsys.readouterr()
    assert json.loads(captured.out)["photo"] == str(red)
    complaints = captured.err.splitlines()
    assert len(complaints) == 4
    assert all(line.startswith("flower-infer: ") for line in complaints)


@pytest.mark.parametrize("arguments", [["--model", "nowhere.onnx", "x.jpg"], ["--device", "cuda", "x.jpg"]])
def test_a_model_or_device_that_is_not_there(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert len(captured.err.splitlines()) == 1


@pytest.mark.parametrize(
    "arguments", [[], ["--top", "0", "x.jpg"], ["--threads", "many", "x.jpg"], ["--threads", "-1", "x.jpg"]]
)
def test_wrong_usage(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2


def infer(*arguments: str | bytes, **options: object) -> subprocess.CompletedProcess[bytes]:
    """The command as its users start it, in a process of its own."""
    command = [sys.executable, "-m", "runtime", *arguments]
    return subprocess.run(command, capture_output=True, cwd=ROOT, timeout=120, **options)


def test_it_keeps_to_itself(model: str, red: Path, tmp_path: Path) -> None:
    """Nothing in the user's home, and so nothing gathered to be sent."""
    home = tmp_path / "home"
    home.mkdir()
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("ORT_", "XDG_"))}
    assert infer("--model", model, str(red), env={**environment, "HOME": str(home)}).returncode == 0
    assert list(home.rglob("*")) == []


@pytest.mark.parametrize(
    ("redirection", "status", "words"),
    [("- <&-", 1, b"standard input is closed"), ("{red} >/dev/full", 1, b"cannot be written"), ("{red} >&-", 0, b"")],
)
def test_standard_streams_that_are_closed_or_full(
    redirection: str, status: int, words: bytes, model: str, red: Path
) -> None:
    command = f"{sys.executable} -m runtime --model {model} {redirection.format(red=red)}"
    result = subprocess.run(["bash", "-c", command], capture_output=True, cwd=ROOT, timeout=120)
    assert result.returncode == status
    assert words in result.stderr
    assert len(result.stderr.splitlines()) <= 1


def test_version() -> None:
    assert infer("--version").stdout.decode().split() == ["flower-infer", __version__]


def test_a_reader_that_goes_away_is_no_error(model: str, red: Path) -> None:
    command = f"{sys.executable} -m runtime --model {model} --json {f'{red} ' * 200} | head -n 1"
    result = subprocess.run(["bash", "-c", command], capture_output=True, cwd=ROOT, timeout=120)
    assert len(result.stdout.splitlines()) == 1
    assert result.stderr == b""


def test_names_that_are_not_text(model: str, red: Path, tmp_path: Path) -> None:
    odd = os.fsencode(tmp_path) + b"/caf\xe9.png"
    shutil.copy(red, odd)
    for mode in (["--json"], []):
        for encoding in ("utf-8", "ascii"):
            result = infer("--model", model, *mode, odd, env={**os.environ, "PYTHONIOENCODING": encoding})
            assert (result.returncode, result.stderr) == (0, b"")


def test_the_model_inside_answers_a_photo_of_no_special_size(tmp_path: Path) -> None:
    path = tmp_path / "grey.jpg"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (33, 1000), dtype=np.uint8)).save(path)
    result = infer("--json", str(path))
    assert result.returncode == 0, result.stderr
    assert len(json.loads(result.stdout)["predictions"]) == 5
