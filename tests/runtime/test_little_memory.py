"""Processes and photos that do not get the memory that they ask for."""

import errno
import json
import os
import resource
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from runtime import FlowerClassifier, OutOfMemoryError
from runtime.inference.model_file import check_model_file
from runtime.photos.open_photo import open_photo
from tests.samples.tiny_model import save_tiny_model

ROOT = Path(__file__).parents[2]


def run_with(megabytes: int, *command: str) -> subprocess.CompletedProcess[str]:
    """Run Python with a limit of addresses, as ``ulimit -v`` sets it."""

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (megabytes * 10**6,) * 2)

    return subprocess.run(
        [sys.executable, *command], capture_output=True, text=True, cwd=ROOT, timeout=120, check=False, preexec_fn=limit
    )


@pytest.fixture
def folder(photo: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(20):
        (folder / f"{number}.jpg").write_bytes(photo.read_bytes())
    return folder


def test_one_photo_and_a_folder_are_answered_with_little_memory(photo: Path, folder: Path) -> None:
    for place, count in ((photo, 1), (folder, 20)):
        result = run_with(300, "-m", "runtime", "--json", "--device", "cpu", "--threads", "2", str(place))
        assert (result.returncode, result.stderr) == (0, "")
        assert len([json.loads(line) for line in result.stdout.splitlines()]) == count


@pytest.mark.parametrize("megabytes", [210, 160, 110])
def test_too_little_memory_is_said_in_one_line(megabytes: int, folder: Path) -> None:
    result = run_with(megabytes, "-m", "runtime", "--device", "cpu", "--threads", "2", str(folder))
    assert result.returncode == 2
    assert result.stderr.startswith("flower-infer: not enough memory")
    assert len(result.stderr.splitlines()) == 1


MEASURE = """
import resource, sys
from runtime.errors import OutOfMemoryError
from runtime.photos.open_photo import open_photo
used = 4096 * int(open("/proc/self/statm").read().split()[0])
resource.setrlimit(resource.RLIMIT_AS, (used + 60_000_000,) * 2)
try:
    open_photo(sys.argv[1], min_side=512)
except OutOfMemoryError as error:
    print(error)
"""


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="reads Linux's size of the process")
@pytest.mark.parametrize(("form", "options"), [("JPEG", {"progressive": True, "subsampling": 0}), ("PNG", {})])
def test_decoder_without_memory_does_not_call_a_photo_damaged(
    form: str, options: dict[str, object], tmp_path: Path
) -> None:
    path = tmp_path / "large.jpg"
    Image.new("RGB", (5000, 4000), (90, 90, 200)).save(path, form, **options)
    result = run_with(4000, "-c", MEASURE, str(path))
    assert "large.jpg: not enough memory" in result.stdout, result


@pytest.mark.parametrize(
    "error",
    [OSError(errno.ENOMEM, os.strerror(errno.ENOMEM)), MemoryError(), OSError("out of memory error when reading")],
    ids=["system", "Python", "Pillow"],
)
def test_refused_memory_is_told_from_bad_files(
    error: Exception, photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise error

    model = save_tiny_model(tmp_path / "tiny.onnx")
    for function in ("PIL.Image.open", "PIL.ImageFile.ImageFile.load", "PIL.Image.Image.resize"):
        with monkeypatch.context() as patch:
            patch.setattr(function, refuse)
            if function.endswith("resize") and not isinstance(error, MemoryError):
                continue
            with pytest.raises(OutOfMemoryError, match="not enough memory"):
                FlowerClassifier(model, device="cpu").predict(photo)
    monkeypatch.setattr("mmap.mmap", refuse)
    with pytest.raises(OutOfMemoryError, match="not enough memory"):
        check_model_file(model)
    assert open_photo(photo).mode == "RGB"


def test_a_batch_without_memory_is_run_photo_by_photo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    classifier = FlowerClassifier(save_tiny_model(tmp_path / "tiny.onnx"), device="cpu")
    run = classifier._session.run

    def run_one(images: np.ndarray) -> object:
        if len(images) > 1:
            raise OutOfMemoryError("no memory")
        return run(images)

    photos: Sequence[np.ndarray] = [np.full((20, 20, 3), shade, np.uint8) for shade in range(0, 200, 10)]
    expected = [classifier.predict(photo) for photo in photos]
    monkeypatch.setattr(classifier._session, "run", run_one)
    assert [answer for _, answer in classifier.predict_many(photos)] == expected
