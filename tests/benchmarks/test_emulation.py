"""The model inside on processors that are not here: a Raspberry Pi 4, a Raspberry Pi 5, and x86 without VNNI."""

import json
from pathlib import Path

import pytest

from benchmarks.environments.emulators import EmulationError, fetch
from benchmarks.suites.emulation import main

pytestmark = [pytest.mark.real, pytest.mark.emulation]


def test_answers_are_the_same_on_other_processors(real_data: Path, tmp_path: Path) -> None:
    cache = Path("runs/emulators").resolve()
    try:
        fetch(cache)
    except EmulationError as error:
        pytest.skip(f"no emulation here: {error}")
    arguments = ["--data", str(real_data), "--photos", "2", "--cache", str(cache), "--report", str(tmp_path)]
    assert main(arguments) == 0
    figures = json.loads((tmp_path / "emulation.json").read_text())
    rows = figures["processors"]
    assert [row["same_top1"] for row in rows if row["judged"]] == [2, 2, 2]
    assert all(row["name"] in (tmp_path / "emulation.md").read_text() for row in rows)
    # The runtime's setting is what keeps x86 without VNNI right.
    assert rows[-1]["worst_difference"] > rows[-2]["worst_difference"]
