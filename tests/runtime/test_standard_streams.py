"""The standard streams of ``flower-infer``: closed or full ones, messages of libraries, and native crashes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

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


@pytest.mark.parametrize(
    ("redirection", "status", "words"),
    [("- <&-", 1, b"standard input is closed"), ("{red} >/dev/full", 1, b"cannot be written"), ("{red} >&-", 0, b"")],
)
def test_closed_or_full_standard_streams(redirection: str, status: int, words: bytes, model: str, red: Path) -> None:
    command = f"{sys.executable} -m runtime --model {model} {redirection.format(red=red)}"
    result = subprocess.run(["bash", "-c", command], capture_output=True, cwd=ROOT, timeout=120)
    assert result.returncode == status
    assert words in result.stderr
    assert len(result.stderr.splitlines()) <= 1


def test_errors_go_nowhere_if_standard_error_is_closed(model: str, red: Path, tmp_path: Path) -> None:
    command = f"{sys.executable} -m runtime --model {model} --json {red} {tmp_path}/missing.jpg 2>&-"
    result = subprocess.run(["bash", "-c", command], capture_output=True, cwd=ROOT, timeout=120)
    assert result.returncode == 1
    assert [json.loads(line)["photo"] for line in result.stdout.splitlines()] == [str(red)]


@pytest.mark.parametrize(
    ("where", "what", "words"),
    [
        ("__init__", "ctypes.string_at(0)", b"Fatal Python error: Segmentation fault"),  # while the model is loaded
        ("predict_many", "ctypes.string_at(0)", b"Fatal Python error: Segmentation fault"),
        ("predict_many", "os.write(2, b'double free')", b"double free"),  # as the C library says it
    ],
)
def test_native_crashes_are_not_silent(where: str, what: str, words: bytes, model: str, red: Path) -> None:
    code = (
        "import ctypes, os, sys; from runtime import __main__ as command, FlowerClassifier;"
        f"FlowerClassifier.{where} = lambda *_, **__: {what} and []; sys.exit(command.run())"
    )
    command = [sys.executable, "-X", "faulthandler", "-c", code, "--model", model, str(red)]
    result = subprocess.run(command, capture_output=True, cwd=ROOT, timeout=120)
    assert words in result.stderr


def test_debugging_shows_tracebacks_and_messages_of_libraries(model: str, tmp_path: Path) -> None:
    """A TIFF whose compressed data are damaged makes libtiff write to standard error."""
    Image.effect_noise((64, 64), 90).save(tmp_path / "a.tiff", compression="jpeg")
    content = bytearray((tmp_path / "a.tiff").read_bytes())
    content[content.index(b"\xff\xda") + 5] ^= 7
    (tmp_path / "a.tiff").write_bytes(content)
    quiet, loud = (
        subprocess.run(
            [sys.executable, "-m", "runtime", "--model", model, str(tmp_path / "a.tiff")],
            capture_output=True,
            cwd=ROOT,
            timeout=120,
            env={**os.environ, "FLOWER_EDGE_DEBUG": value},
        )
        for value in ("0", "1")
    )
    assert (quiet.returncode, len(quiet.stderr.splitlines())) == (1, 1)
    assert loud.returncode == 1
    assert b"Traceback" in loud.stderr
    assert b"JPEGLib: " in loud.stderr
