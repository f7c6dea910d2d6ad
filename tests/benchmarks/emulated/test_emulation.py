"""The model inside on emulated processors: a Raspberry Pi 4, a Raspberry Pi 5, and x86 without VNNI."""

import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

import runtime
from benchmarks import run_suite
from benchmarks.engines import opening
from benchmarks.environments.emulators import EmulationError, fetch_emulators
from benchmarks.measurements.emulated.answers import copy_package
from benchmarks.suites.processors import emulation
from tests.samples.emulators import fetch_or_skip


@pytest.mark.real
@pytest.mark.slow
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


@pytest.mark.parametrize(("package", "module"), [(runtime, "inference.session"), (opening, "openers")])
def test_copy_of_a_package_can_be_imported_without_this_folder(
    tmp_path: Path, package: ModuleType, module: str
) -> None:
    copy_package(package, tmp_path)
    name = package.__name__
    code = f"import sys; sys.modules['torch'] = None; import {name}.{module}; print(sys.modules['{name}'].__file__)"
    command = [sys.executable, "-c", code]
    done = subprocess.run(
        command, cwd=tmp_path, env={"PYTHONPATH": str(tmp_path)}, capture_output=True, text=True, check=True
    )
    assert Path(done.stdout.strip()).parent == tmp_path.joinpath(*name.split("."))
