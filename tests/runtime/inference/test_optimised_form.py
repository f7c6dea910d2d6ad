"""The optimised form of a model file: used if it belongs to the file and the user, made again otherwise."""

import multiprocessing
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from runtime.inference import optimised_form
from runtime.inference.optimised_form import CACHE_VARIABLE, MOST_FORMS, PREFIX, cache_folder, form_path
from runtime.inference.session import Session
from runtime.inference.shipped_models import SMALL_MODEL
from tests.samples.tiny_model import save_tiny_model


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, for small models as well."""
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))
    monkeypatch.setattr(optimised_form, "LEAST_BYTES", 0)
    return tmp_path / "cache"


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return save_tiny_model(tmp_path / "tiny.onnx")


def answers(model: Path) -> np.ndarray:
    session = Session(model, device="cpu")
    size = session.info.preprocessing.size
    return session.logits(np.random.default_rng(0).integers(0, 256, (2, size, size, 3), dtype=np.uint8))


def forms(cache: Path) -> list[Path]:
    return sorted(cache.glob(f"{PREFIX}*.ort"))


def test_second_opening_uses_the_form_and_answers_the_same(
    model: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, info = answers(model), Session(model, device="cpu").info
    (form,) = forms(cache)
    assert form == form_path(model)
    assert form.stat().st_mode & 0o777 == 0o600
    # The model file itself is not read any more.
    monkeypatch.setattr("runtime.inference.session.check_model_file", lambda path: pytest.fail("was opened"))
    assert np.array_equal(answers(model), first)
    assert Session(model, device="cpu").info == info


def test_changed_model_has_another_form(model: Path, cache: Path) -> None:
    before, old = answers(model), form_path(model)
    found, weight = model.stat(), np.float32(1 / 25).tobytes()
    model.write_bytes(model.read_bytes().replace(weight, np.float32(1 / 50).tobytes()))
    os.utime(model, ns=(found.st_atime_ns, found.st_mtime_ns))  # as a program that hides the change would do
    assert form_path(model) != old
    assert not np.array_equal(answers(model), before)
    assert len(forms(cache)) == 2


@pytest.mark.parametrize("damage", [b"", b"no model", None], ids=["empty", "text", "cut"])
def test_damaged_form_is_made_again(damage: bytes | None, model: Path, cache: Path) -> None:
    before = answers(model)
    (form,) = forms(cache)
    whole = form.read_bytes()
    form.write_bytes(whole[: len(whole) // 2] if damage is None else damage)
    assert np.array_equal(answers(model), before)
    assert forms(cache)[0].stat().st_size == len(whole)


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="Windows has access lists instead")
def test_what_others_can_write_is_not_used(model: Path, cache: Path) -> None:
    before = answers(model)
    (form,) = forms(cache)
    form.write_bytes(b"no model")
    form.chmod(0o666)
    assert np.array_equal(answers(model), before)
    assert form.stat().st_mode & 0o777 == 0o600
    cache.chmod(0o777)
    form.write_bytes(b"no model")
    assert np.array_equal(answers(model), before)
    assert form.read_bytes() == b"no model"  # nothing is written to such a folder


def test_models_open_without_a_cache(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = answers(model)
    for folder in ("", str(model), str(model / "below a file")):
        monkeypatch.setenv(CACHE_VARIABLE, folder)
        assert np.array_equal(answers(model), before)


WITH_A_FULL_DISK = """
import resource, sys
from runtime.inference import optimised_form
from runtime.inference.session import Session
from runtime.inference.shipped_models import SMALL_MODEL
optimised_form.LEAST_BYTES = 0
resource.setrlimit(resource.RLIMIT_FSIZE, (64, 64))  # no file may become larger than 64 bytes
print(Session(sys.argv[1], device="cpu").device)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such limits")
def test_full_disk_keeps_nothing_and_the_model_opens(model: Path, cache: Path) -> None:
    command = [sys.executable, "-c", WITH_A_FULL_DISK, str(model)]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "cpu\n"
    assert not list(cache.iterdir())


def test_each_kind_of_processor_has_its_own_form(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    description = tmp_path / "cpuinfo"
    monkeypatch.setattr(optimised_form, "PROCESSOR", description)
    paths = set()
    for flags in ("avx2", "avx2 avx512_vnni"):
        for megahertz in ("800", "3000"):
            description.write_text(f"processor : 0\nflags : {flags}\ncpu MHz : {megahertz}\n\nprocessor : 1\n")
            paths.add(form_path(model))
    description.unlink()
    paths.add(form_path(model))
    assert len(paths) == 3


def test_child_of_a_fork_opens_the_form(model: Path, cache: Path) -> None:
    before, session = answers(model), Session(model, device="cpu")
    size = session.info.preprocessing.size
    photo = np.random.default_rng(0).integers(0, 256, (2, size, size, 3), dtype=np.uint8)
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    child = context.Process(target=lambda: queue.put(session.logits(photo)))
    child.start()
    assert np.array_equal(queue.get(timeout=60), before)
    child.join()


def test_small_model_inside_answers_the_same_from_its_form(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(optimised_form, "LEAST_BYTES", 2**21)
    first, again = answers(SMALL_MODEL), answers(SMALL_MODEL)
    assert len(forms(cache)) == 1
    assert np.array_equal(first, again)


def test_default_folder_is_that_of_the_system(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(CACHE_VARIABLE)
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", "/some/cache")
    assert cache_folder() == Path("/some/cache/flower-edge")
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    assert cache_folder() is None
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", "/home/someone")
    assert cache_folder() == Path("/home/someone/.cache/flower-edge")


def test_old_forms_and_leftovers_are_deleted(model: Path, cache: Path, tmp_path: Path) -> None:
    cache.mkdir(mode=0o700)
    leftover = cache / f".{PREFIX}x.ort.123.tmp"
    of_others = [cache / "mine.ort", cache / ".mine.ort.123.tmp"]
    for path in (leftover, *of_others):
        path.touch()
        os.utime(path, (0, 0))
    for number in range(MOST_FORMS + 2):
        answers(Path(shutil.copy(model, tmp_path / f"{number}.onnx")))
    assert len(forms(cache)) == MOST_FORMS
    assert not leftover.exists()
    assert all(path.exists() for path in of_others)


def test_processes_that_start_together_share_one_form(model: Path, cache: Path) -> None:
    context = multiprocessing.get_context("fork")
    before = answers(model)
    shutil.rmtree(cache)
    with context.Pool(4) as pool:
        assert all(np.array_equal(each, before) for each in pool.map(answers, [model] * 8))
    assert len(forms(cache)) == 1
    assert not list(cache.glob(".*"))
