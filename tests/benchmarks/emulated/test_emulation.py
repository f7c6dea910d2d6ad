"""The model inside on emulated processors: a Raspberry Pi 4, a Raspberry Pi 5, and x86 without VNNI."""

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import run_suite
from benchmarks.environments.emulators import EmulationError, fetch_emulators
from benchmarks.measurements.emulated.answers import copy_runtime
from benchmarks.suites.processors import emulation
from tests.samples.emulators import fetch_or_skip


@pytest.mark.real
@pytest.mark.emulation
def test_answers_are_the_same_on_other_processors(real_data: Path, tmp_path: Path) -> None:
    cache = fetch_or_skip(fetch_emulators)
    arguments = ["--data", str(real_data), "--photos", "2", "--cache", str(cache), "--report", str(tmp_path)]
    report = run_suite("emulation", arguments)
    rows = report.figures["processors"]
    assert [row["same_top1"] for row in rows if row["checked"]] == [2, 2, 2]
    assert all(row["name"] in report.markdown.read_text() for row in rows)
    # Without the runtime's setting, x86 without VNNI computes wrong logits.
    assert rows[-1]["worst_difference"] > rows[-2]["worst_difference"]


def test_different_answers_are_an_error() -> None:
    row = {"name": "cortex-a72", "checked": True, "passed": False}
    with pytest.raises(EmulationError, match="cortex-a72"):
        emulation.check({"processors": [row]})
    emulation.check({"processors": [row | {"checked": False}, row | {"passed": True}]})


def test_copy_of_the_runtime_can_be_imported_without_this_folder(tmp_path: Path) -> None:
    copy_runtime(tmp_path)
    code = "import runtime, runtime.inference.session; print(runtime.__file__)"
    command = [sys.executable, "-c", code]
    done = subprocess.run(
        command, cwd=tmp_path, env={"PYTHONPATH": str(tmp_path)}, capture_output=True, text=True, check=True
    )
    assert Path(done.stdout.strip()).parent == tmp_path / "runtime"
