"""The command ``flower-infer``."""

import csv
import io
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from runtime.command_line.flower_infer import main
from runtime.command_line.progress import Progress
from runtime.distribution import __version__
from tests.runtime.child_process import enable_keyboard_interrupt
from tests.samples.tiny_model import save_tiny_model

ROOT = Path(__file__).parents[2]


@pytest.fixture
def model(tmp_path: Path) -> str:
    return str(save_tiny_model(tmp_path / "tiny.onnx"))


@pytest.fixture
def red(tmp_path: Path) -> Path:
    path = tmp_path / "red.png"
    Image.new("RGB", (30, 20), (250, 20, 10)).save(path)
    return path


def test_table_output(model: str, red: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--model", model, "--top", "2", str(red)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == str(red)
    assert lines[1].split()[:2] == ["red", "100.0%"]
    assert len(lines) == 3


def test_json_output(model: str, red: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--model", model, "--json", str(red), str(red)]) == 0
    answers = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [answer["photo"] for answer in answers] == [str(red)] * 2
    assert [p["label"] for p in answers[0]["predictions"]] == ["red", "green", "blue"]
    assert sum(p["probability"] for p in answers[0]["predictions"]) == pytest.approx(1, abs=1e-5)


def test_verdicts_in_words_json_and_csv(red: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = str(save_tiny_model(tmp_path / "tiny.onnx", with_familiarity=True, familiarity_threshold=0.99))
    assert main(["--model", model, str(red)]) == 0
    assert "not like any of the 3 flowers" in capsys.readouterr().out
    model = str(save_tiny_model(tmp_path / "tiny.onnx", with_familiarity=True, temperature=5.0))
    assert main(["--model", model, "--min-probability", "1", "--top", "1", str(red)]) == 0
    assert "between red and green" in capsys.readouterr().out
    assert main(["--model", model, "--min-probability", "1", "--json", str(red)]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert (answer["verdict"], answer["uncertain"]) == ("between", True)
    assert answer["familiarity"] == pytest.approx(250 / 255, abs=1e-5)
    assert main(["--model", model, "--csv", "--top", "1", str(red)]) == 0
    row = next(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert (row["verdict"], row["uncertain"], row["label"]) == ("name", "false", "red")
    assert float(row["familiarity"]) == pytest.approx(250 / 255, abs=1e-5)


def test_only_the_names_in_a_file(model: str, red: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = tmp_path / "garden.txt"
    names.write_text("# what grows here\n\nBlue\n green \n", encoding="utf-8-sig")
    assert main(["--model", model, "--json", "--only", str(names), str(red)]) == 0
    assert [p["label"] for p in json.loads(capsys.readouterr().out)["predictions"]] == ["green", "blue"]
    inside, strange = str(tmp_path / "inside.onnx"), str(tmp_path / "strange.onnx")
    save_tiny_model(Path(inside), with_familiarity=True)
    save_tiny_model(Path(strange), with_familiarity=True, familiarity_threshold=0.99)
    for file, words in ((inside, "any of the names that can occur here"), (strange, "any of the 3 flowers")):
        assert main(["--model", file, "--only", str(names), str(red)]) == 0
        assert words in capsys.readouterr().out
    for content, message in (
        (b"bleu\n", "do you mean 'blue'"),
        (b"\xff\xfe\x00", "UTF-8"),
        (b"# nothing", "no names in this file"),
    ):
        names.write_bytes(content)
        assert main(["--model", model, "--only", str(names), str(red)]) == 2
        assert message in capsys.readouterr().err
    assert main(["--model", model, "--only", str(tmp_path / "missing.txt"), str(red)]) == 2
    assert "missing.txt: cannot be read" in capsys.readouterr().err


def test_folder_means_all_photos_below_it(
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


def test_files_of_systems_are_no_photos_and_other_formats_are_counted(
    model: str, red: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "folder"
    system = ("@eaDir/a.png/SYNO_THUMB.png", "#recycle/b.png", ".Trashes/c.png", "$RECYCLE.BIN/d.png", "._a.png")
    for name in ("a.png", *system, "lost+found/e.png", "__MACOSX/f.png", "x.NEF", "y.nef", "z.svg", "Thumbs.db"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(red, folder / name)
    for arguments in ([str(folder)], [f"{folder}/**/*.png"]):
        assert main(["--model", model, "--json", *arguments]) == 0
        captured = capsys.readouterr()
        assert [json.loads(line)["photo"] for line in captured.out.splitlines()] == [str(folder / "a.png")]
    assert main(["--model", model, "--json", str(folder)]) == 0
    assert "2 .nef, 1 .svg" in capsys.readouterr().err
    assert main(["--model", model, "--quiet", str(folder)]) == 0
    assert capsys.readouterr().err == ""
    assert main(["--model", model, "--json", str(folder / "@eaDir")]) == 0  # named by the user


def test_standard_input(
    model: str, red: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(red.read_bytes())))
    assert main(["--model", model, "--json", "-"]) == 0
    assert json.loads(capsys.readouterr().out)["photo"] == "-"


def test_readable_photos_are_answered_beside_unreadable_ones(
    model: str, red: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "text.jpg").write_text("hello")
    (tmp_path / "empty").mkdir()
    bad = [str(tmp_path / "text.jpg"), str(tmp_path / "empty"), str(tmp_path / "missing\n.jpg"), "long" * 99]
    bad += ["", "https://flowers.example/rose.jpg"]
    assert main(["--model", model, "--json", *bad, str(red)]) == 1
    captured = capsys.readouterr()
    assert json.loads(captured.out)["photo"] == str(red)
    errors = captured.err.splitlines()
    assert len(errors) == 6
    assert all(line.startswith("flower-infer: ") for line in errors)


@pytest.mark.parametrize("arguments", [["--model", "nowhere.onnx", "x.jpg"], ["--device", "cuda", "x.jpg"]])
def test_missing_model_or_device_is_an_error(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert len(captured.err.splitlines()) == 1


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--top", "0", "x.jpg"],
        ["--threads", "many", "x.jpg"],
        ["--threads", "-1", "x.jpg"],
        ["--min-probability", "2", "x.jpg"],
    ],
)
def test_wrong_usage(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2


def infer(*arguments: str | bytes, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[bytes]:
    """Run the command in a process of its own."""
    command = [sys.executable, "-m", "runtime", *arguments]
    return subprocess.run(command, capture_output=True, cwd=ROOT, timeout=120, env=env, check=False)


def test_nothing_is_written_to_the_home_folder(model: str, red: Path, tmp_path: Path) -> None:
    """The telemetry of onnxruntime, which would write files there, is off."""
    home = tmp_path / "home"
    home.mkdir()
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("ORT_", "XDG_"))}
    assert infer("--model", model, str(red), env={**environment, "HOME": str(home)}).returncode == 0
    assert list(home.rglob("*")) == []


def test_version() -> None:
    assert infer("--version").stdout.decode().split() == ["flower-infer", __version__]


def test_closed_pipe_is_no_error(model: str, red: Path) -> None:
    command = f"{sys.executable} -m runtime --model {model} --json {f'{red} ' * 200} | head -n 1"
    result = subprocess.run(["bash", "-c", command], capture_output=True, cwd=ROOT, timeout=120)
    assert len(result.stdout.splitlines()) == 1
    assert result.stderr == b""


def test_file_names_that_are_not_utf8(model: str, red: Path, tmp_path: Path) -> None:
    not_utf8 = os.fsencode(tmp_path) + b"/caf\xe9.png"
    shutil.copy(os.fsencode(red), not_utf8)
    for mode in (["--json"], []):
        for encoding in ("utf-8", "ascii"):
            result = infer("--model", model, *mode, not_utf8, env={**os.environ, "PYTHONIOENCODING": encoding})
            assert (result.returncode, result.stderr) == (0, b"")


def test_the_model_inside_answers_a_photo_of_any_size(tmp_path: Path) -> None:
    path = tmp_path / "grey.jpg"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (33, 1000), dtype=np.uint8)).save(path)
    result = infer("--json", str(path))
    assert result.returncode == 0, result.stderr
    assert len(json.loads(result.stdout)["predictions"]) == 5


def test_csv_output(model: str, red: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    quoted = tmp_path / 'a "red",\nflower.png'
    shutil.copy(red, quoted)
    assert main(["--model", model, "--csv", "--top", "2", str(quoted), str(red)]) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [(row["photo"], row["rank"], row["label"]) for row in rows] == [
        (str(quoted), "1", "red"), (str(quoted), "2", "green"), (str(red), "1", "red"), (str(red), "2", "green"),
    ]  # fmt: skip
    assert float(rows[0]["probability"]) > 0.99
    assert rows[0]["uncertain"] == "false"


def test_table_says_not_sure(red: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    uncertain = str(save_tiny_model(tmp_path / "uncertain.onnx", threshold=0.99, temperature=20.0))
    assert main(["--model", uncertain, str(red)]) == 0
    assert "not sure: between red and green, or no flower that this model knows" in capsys.readouterr().out
    assert main(["--model", uncertain, "--json", str(red)]) == 0
    assert json.loads(capsys.readouterr().out)["uncertain"] is True


def test_quiet_prints_answers_only(model: str, red: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--model", model, "--quiet", "nowhere.jpg", str(red)]) == 1
    captured = capsys.readouterr()
    assert (captured.err, captured.out.splitlines()[0]) == ("", str(red))


def test_patterns_are_expanded(model: str, red: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (red.parent / "deep").mkdir()
    shutil.copy(red, red.parent / "deep" / "other.png")
    assert main(["--model", model, "--json", f"{red.parent}/**/*.png", f"{red.parent}/*.gif"]) == 1
    captured = capsys.readouterr()
    names = [json.loads(line)["photo"] for line in captured.out.splitlines()]
    assert names == [f"{red.parent}/deep/other.png", str(red)]
    assert "no file matches" in captured.err


def test_info_and_list_devices(model: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--model", model, "--info"]) == 0
    assert "3: red, green, blue" in capsys.readouterr().out
    assert main(["--model", model, "--info", "--json"]) == 0
    info = json.loads(capsys.readouterr().out)
    assert (info["classes"], info["preprocessing"]["size"]) == (["red", "green", "blue"], 16)
    assert main(["--list-devices"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert next(line for line in lines if line.startswith("cpu")).split()[1] == "yes"
    assert next(line for line in lines if line.startswith("nnapi")).split()[1] == "no"


@pytest.mark.parametrize(
    "arguments",
    [["--info", "x.jpg"], ["--watch", "a", "x.jpg"], ["--json", "--csv", "x.jpg"], ["--camera", "0", "--output", "o"]],
)
def test_options_that_exclude_each_other_are_refused(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2


def test_progress_line_is_shown_on_a_terminal_only() -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    for stream, total, shown in ((Terminal(), 2, True), (Terminal(), 1, False), (io.StringIO(), 2, False)):
        progress = Progress(lambda total=total: total, stream=stream)  # type: ignore[misc]
        assert ("0 of 2 photos" in stream.getvalue()) is shown
        for _ in range(2):  # after other output, the line is drawn again at once
            progress.clear()
            progress.advance()
        assert ("2 of 2 photos" in stream.getvalue().rpartition("\r")[2]) is shown
        assert bool(stream.getvalue()) is shown


def test_help_and_version_load_no_library() -> None:
    code = (
        "import sys; from runtime.command_line.flower_infer import main\n"
        "try: main(['--version'])\n"
        "except SystemExit: print(sorted({'numpy', 'PIL', 'onnxruntime'} & set(sys.modules)))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, timeout=120)
    assert result.stdout.splitlines()[-1] == "[]"


INTERRUPTED_AT_IMPORT = """
import builtins, os, runpy, signal, sys
module, sys.argv, real = sys.argv[1], sys.argv[1:], builtins.__import__
def importing(name, *rest, **more):
    if name == module:
        builtins.__import__ = real
        os.kill(os.getpid(), signal.SIGINT)
    return real(name, *rest, **more)
builtins.__import__ = importing
runpy.run_module("runtime", run_name="__main__")
"""


@pytest.mark.parametrize(
    "module", ["argparse", "numpy", "onnxruntime", "onnxruntime.capi", "runtime.command_line.progress"]
)
def test_ctrl_c_during_imports_ends_without_traceback(module: str, model: str, red: Path) -> None:
    command = [sys.executable, "-c", INTERRUPTED_AT_IMPORT, module, "--model", model, str(red)]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, timeout=120, preexec_fn=enable_keyboard_interrupt)
    assert result.returncode in (130, -signal.SIGINT)
    assert (result.stdout, result.stderr) == (b"", b"")


def test_ctrl_c_keeps_the_answers_so_far(model: str, red: Path) -> None:
    command = [sys.executable, "-m", "runtime", "--model", model, "--json", *[str(red)] * 5000]
    # Unbuffered, because communicate() does not return what readline() has read beyond the line.
    with subprocess.Popen(
        command,
        cwd=ROOT,
        bufsize=0,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        preexec_fn=enable_keyboard_interrupt,
    ) as process:
        assert process.stdout is not None
        first = process.stdout.readline()
        process.send_signal(signal.SIGINT)
        rest, err = process.communicate(timeout=120)
    assert (process.returncode, err) == (130, b"")
    lines = [first, *rest.splitlines()]
    assert len(lines) < 5000
    assert {json.loads(line)["photo"] for line in lines} == {str(red)}


@pytest.mark.skipif(sys.platform != "linux", reason="libtiff is found through Linux's list of mapped files")
def test_damaged_tiff_is_one_line_and_a_crash_is_reported(model: str, red: Path, tmp_path: Path) -> None:
    buffer = io.BytesIO()
    Image.effect_noise((200, 200), 50).save(buffer, "TIFF", compression="tiff_lzw")
    content = bytearray(buffer.getvalue())
    content[100:3000:7] = bytes(len(content[100:3000:7]))
    (tmp_path / "bad.tif").write_bytes(content)
    result = infer("--model", model, str(tmp_path / "bad.tif"))
    assert len(result.stderr.splitlines()) == 1
    crash = "import runtime.__main__ as program, os; program.main = lambda **_: os.abort(); program.run()"
    environment = {**os.environ, "PYTHONFAULTHANDLER": "1"}
    result = subprocess.run([sys.executable, "-c", crash], capture_output=True, cwd=ROOT, timeout=120, env=environment)
    assert b"Fatal Python error: Aborted" in result.stderr
