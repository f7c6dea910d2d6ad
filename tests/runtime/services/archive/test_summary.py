"""What a run says at its end, and how many processes it starts."""

from pathlib import Path

import pytest

from runtime.services.archive.engines.process_count import PROCESS_BYTES, process_count
from runtime.services.archive.row import Row
from runtime.services.archive.summary import Summary


def test_the_summary_counts_verdicts_errors_and_what_may_work_later() -> None:
    counted: list[int] = []
    summary = Summary(on_count=counted.append)
    summary.add(
        [
            Row("a", verdict="name"),
            Row("b", verdict="between"),
            Row("c", error="x", error_kind="damaged", passing=False),
            Row("d", error="x", error_kind="memory", passing=True),
        ],
        repeated=1,
    )
    summary.add_known(Row("e", verdict="unfamiliar"))
    first, *lines = summary.lines()
    assert first.startswith("5 photos: 4 in this run, 0 s, ")
    assert first.endswith("; 1 had the same bytes as another")
    assert lines == [
        "1 were answered before and have not changed",
        "1 have a name; not sure: 1 (33.3%); not like any flower that the model knows: 1 (33.3%)",
        "2 could not be read: 1 damaged, 1 memory; the column error says why",
        "1 of these may work later: run the same command with --resume",
    ]
    assert counted == [4, 1]


def test_an_empty_run_says_so() -> None:
    assert Summary().lines() == ["0 photos: 0 in this run, 0 s"]


@pytest.mark.parametrize(("seconds", "shown"), [(59.4, "59 s"), (61, "1 min 1 s"), (72_300, "20 h 5 min")])
def test_durations(seconds: float, shown: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.monotonic", lambda: seconds)
    assert Summary(started_s=0.0).lines()[0].endswith(f", {shown}")


@pytest.mark.parametrize(("threads", "free", "expected"), [(4, 10, 4), (4, 2, 2), (4, 0, 1), (1, 10, 1)])
def test_little_memory_means_fewer_processes(tmp_path: Path, threads: int, free: int, expected: int) -> None:
    memory = tmp_path / "meminfo"
    memory.write_text(f"MemTotal: 1 kB\nMemAvailable: {free * PROCESS_BYTES // 1024 + 1} kB\n")
    assert process_count(threads, memory) == expected


def test_without_linux_the_memory_is_taken_to_suffice(tmp_path: Path) -> None:
    assert process_count(3, tmp_path / "gone") == 3
