"""What the page about an archive finds of labels that were moved and of changed copies."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks.archive.answers import collect
from benchmarks.archive.duplicates import BITS
from benchmarks.command_line import run_suite
from benchmarks.measurements.archive import sheet_quality
from benchmarks.measurements.archive.sheet_quality import CHANGES, found_copies, moved_labels, near_pairs, save_copies
from finetune.data.split import Split
from tests.benchmarks.archive.answers_of import LABELS, answered
from tests.samples.tiny_model import save_tiny_model


def test_all_moved_labels_of_a_model_without_errors_are_found() -> None:
    labels = np.arange(60) % 3
    # The classes of the split have another order than those of the table.
    classes = tuple(name.title() for name in reversed(LABELS))
    answers = collect(answered(f"{row}.jpg", np.eye(3)[2 - label] * 0.94 + 0.02) for row, label in enumerate(labels))
    split = Split("test", tuple(Path(f"{row}.jpg") for row in range(60)), labels, classes, 60)
    row = moved_labels(answers, split, 0.1)
    assert row["moved"] == row["first"]["hits"] == row["first"]["listed"] == 6
    assert row["precision"] == row["recall"] == {"median": 1, "p25": 1, "p75": 1}
    assert row["first"]["recall_interval"] == row["first"]["precision_interval"] == pytest.approx((0.61, 1), abs=0.01)
    assert moved_labels(answers, split, 0)["precision"]["median"] == 0, "an empty list has no precision"


def test_labels_of_other_species_are_not_checked() -> None:
    answers = collect(answered(f"{row}.jpg") for row in range(8))
    split = Split("test", (Path("a.jpg"),) * 8, np.arange(8) % 2, ("oak", "beech"), 8)
    first = moved_labels(answers, split, 0.5)["first"]
    assert (first["listed"], first["recall"]) == (0, 0)


def test_copies_within_the_limit_are_counted() -> None:
    bits = np.array([0, BITS, BITS + 1, 30])
    copies = np.array([(1 << int(count)) - 1 for count in bits], dtype=np.uint64)
    found = found_copies(np.zeros(4, dtype=np.uint64), copies)
    assert (found["photos"], found["found"], found["most_bits"]) == (4, 2, 30)


def test_pairs_are_near_if_their_bytes_differ() -> None:
    near, far = f"{(1 << BITS) - 1:016x}", f"{(1 << 30) - 1:016x}"
    answers = collect(
        [
            answered("a.jpg", fingerprint="0" * 16),
            answered("the same bytes as a.jpg", fingerprint="0" * 16, sha256=answered("a.jpg").sha256),
            answered("near.jpg", fingerprint=near),
            answered("far.jpg", fingerprint=far),
            answered("without a fingerprint.jpg"),
        ]
    )
    pairs = near_pairs(answers, np.array([0, 0, 1, 0, 0]))
    assert pairs == {"compared": 6, "near": 2, "different_species": 2}


def test_copies_are_changed_as_their_names_say(tmp_path: Path) -> None:
    photo = tmp_path / "photo.png"
    Image.new("RGB", (200, 100), (100, 100, 100)).save(photo)
    shown = {}
    for name, change in CHANGES.items():
        with Image.open(save_copies([photo], change, tmp_path)[0]) as copy:
            brightness = round(np.asarray(copy).mean() / 10) * 10
            # The first step of JPEG's quantization is 20 with a quality of 40, and 3 with 90.
            shown[name] = (copy.size, brightness, copy.quantization[0][0])  # type: ignore[attr-defined]
    assert shown == {
        "JPEG quality 40": ((200, 100), 100, 20),
        "half size": ((100, 50), 100, 3),
        "20 % brighter": ((200, 100), 120, 3),
        "all three": ((100, 50), 120, 20),
        "2 % cut off each side": ((192, 96), 100, 3),
        "5 % cut off each side": ((180, 90), 100, 3),
    }


def test_the_part_is_in_the_report(dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sheet_quality, "MODEL", str(save_tiny_model(tmp_path / "tiny.onnx")))
    report = run_suite("scale", ["--data", str(dataset), "--only", "sheet", "--report", str(tmp_path / "report")])
    sheet = report.figures["sheet"]
    assert sheet["photos"] == 48
    assert sheet["pairs"]["compared"] == 48 * 47 // 2
    assert [row["photos"] for row in sheet["copies"]] == [12] * len(CHANGES)
    text = report.markdown.read_text()
    assert "## What the page about an archive finds" in text
    assert "| half size | 12 |" in text
