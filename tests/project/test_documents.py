"""What the documents say is what the files hold."""

import hashlib
import json
import re
from pathlib import Path

import onnx

from export.files.manifest import read_manifest
from export.quantization.ranges import METHODS
from runtime import FlowerClassifier
from runtime.inference.model_file import DEFAULT_MODEL, PREFIX

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
CARD = (DEFAULT_MODEL.parent / "MODEL_CARD.md").read_text()


def test_the_readmes_numbers_are_the_reports() -> None:
    report = (ROOT / "benchmarks" / "report" / "report.md").read_text().splitlines()
    rows = [line for line in README.splitlines() if line.startswith(("| ONNX", "| PyTorch"))]
    assert len(rows) == 14
    assert set(rows) <= set(report)


def test_the_report_is_about_the_network_inside() -> None:
    """The file as it was measured: before it was given a threshold, which changes its metadata alone."""
    model = onnx.load(DEFAULT_MODEL)
    kept = [entry for entry in model.metadata_props if entry.key != PREFIX + "threshold"]
    del model.metadata_props[:]
    model.metadata_props.extend(kept)
    measured = hashlib.sha256(model.SerializeToString(deterministic=True)).hexdigest()
    assert measured in (ROOT / "benchmarks/report/report.md").read_text()
    assert measured in CARD


def test_the_model_card_describes_the_file_beside_it() -> None:
    content = DEFAULT_MODEL.read_bytes()
    assert f"{len(content):,} bytes" in CARD
    assert hashlib.sha256(content).hexdigest() in CARD
    info = FlowerClassifier(device="cpu").info
    assert info.training["provenance"]["weights_sha256"] in CARD
    assert f" {info.training['metrics']['epoch']} epochs, seed {info.training['recipe']['seed']};" in CARD
    assert f"--temperature {info.temperature}`" in CARD
    assert f"--threshold {info.threshold}`" in CARD
    for split, figures in info.evaluation.items():
        row = next(line for line in CARD.splitlines() if line.startswith(f"| {split} "))
        for key in ("top1", "top5", "mean_per_class", "fp32_top1", "agreement_with_fp32"):
            assert f"{figures[key]:.2f}" in row


def test_the_manifest_beside_the_model_inside_names_it() -> None:
    assert read_manifest(DEFAULT_MODEL.parent) == {
        DEFAULT_MODEL.name: hashlib.sha256(DEFAULT_MODEL.read_bytes()).hexdigest()
    }


def test_the_readme_says_what_training_came_to() -> None:
    *seeds, soup = json.loads((ROOT / "benchmarks/report/training.json").read_text())["seeds"]
    tests = sorted(f"{100 * row['test']['top1']:.2f}" for row in seeds)
    assert f"{', '.join(tests[:-1])} and {tests[-1]}; validation" in README
    mean = sum(row["test"]["top1"] for row in seeds) / len(seeds)
    assert f"{100 * mean:.1f} % of these" in README
    assert f"weights {100 * soup['test']['top1']:.1f} %" in README
    assert f"validation {100 * soup['val']['top1']:.1f})" in README


def test_calibration_takes_as_little_memory_as_the_readme_says() -> None:
    rows = json.loads((ROOT / "benchmarks/report/calibration.json").read_text())["rows"]
    gigabytes = re.search(r"validation photographs in slices, in under (\d+) GB of memory", README)
    assert gigabytes is not None
    assert {row["method"] for row in rows} >= set(METHODS)
    assert all(row["peak_bytes"] < int(gigabytes[1]) * 10**9 for row in rows)


def test_links_lead_somewhere() -> None:
    for document, folder in ((README, ROOT), (CARD, DEFAULT_MODEL.parent)):
        for target in re.findall(r"\]\(([^)#]+)\)", document):
            assert target.startswith("https://") or (folder / target).exists(), target
