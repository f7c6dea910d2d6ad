"""Descriptions of a model file and of the devices, as text or JSON."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from runtime.classifier import FlowerClassifier
from runtime.command_line.photos.answer_formats import columns
from runtime.command_line.standard_streams import printable
from runtime.inference.devices import DEVICES
from runtime.inference.model_file import FORMAT
from runtime.inference.providers import available_devices


def describe_model(classifier: FlowerClassifier, *, as_json: bool = False) -> str:
    """Return the metadata of the opened model file and the device that runs it."""
    if as_json:
        return json.dumps(model_values(classifier))
    info = classifier.info
    rule = info.preprocessing
    rows = [
        ("network", f"{info.architecture or 'unknown'}, {info.precision or 'unknown'}"),
        ("classes", f"{len(info.classes):,}: {', '.join(info.classes[:3])}{', …' if len(info.classes) > 3 else ''}"),
        (
            "photo",
            f"the centre square, {rule.crop_pct:g} of the shorter side, {rule.interpolation} to {rule.size} pixels",
        ),
        ("temperature", f"{info.temperature:.3f}"),
        ("a name", f"from a probability of {classifier.cuts.probability:.1%}"),
        (
            "familiarity",
            f"not like any flower it knows below {classifier.cuts.familiarity:.3f}"
            if classifier.has_familiarity
            else "none: this file cannot tell what is no flower; export it again",
        ),
    ]
    if (strict := info.strict) is not None:
        rows.append(("strict", f"from {strict.probability:.1%}, and from a familiarity of {strict.familiarity:.3f}"))
    share, interval = info.familiarity.get("expected_named"), info.familiarity.get("interval")
    of_these_cuts = classifier.cuts == info.cuts
    if of_these_cuts and isinstance(interval, list) and len(interval) == 2:
        expected = f"{share} % ({interval[0]} to {interval[1]}) of new photographs of these flowers get a name"
        rows.append(("expected", expected))
    for split, figures in info.evaluation.items():
        if isinstance(figures, dict):
            trained_on = ", which it was trained on" if figures.get("trained_on") else ""
            rows.append(
                (f"top-1, {split}", f"{figures.get('top1')} % of {figures.get('images')} photographs{trained_on}")
            )
    if info.calibration:
        rows.append(("calibrated", f"{info.calibration.get('method')}, {info.calibration.get('images')} photographs"))
    rows.append(("made with", ", ".join(f"{name} {version}" for name, version in info.versions.items())))
    board = board_name()
    rows.append(("runs on", f"{classifier.device}, {classifier.threads} threads{f', {board}' if board else ''}"))
    return columns([(name, printable(value)) for name, value in rows])


def board_name(file: Path = Path("/proc/device-tree/model")) -> str | None:
    """Return what the firmware calls this board, for example ``Raspberry Pi 5 Model B Rev 1.0``; None on a PC."""
    try:
        with file.open("rb") as opened:
            return opened.read(200).decode("utf-8", "replace").rstrip("\0").strip() or None
    except OSError:
        return None


def model_values(classifier: FlowerClassifier) -> dict[str, Any]:
    """Return the metadata of the opened model file and what runs it, as JSON values."""
    opened = {"device": classifier.device, "threads": classifier.threads, "board": board_name()}
    return {"format": FORMAT if classifier.has_familiarity else 1, **asdict(classifier.info), **opened}


def describe_devices() -> str:
    """Return a table of the values of ``--device`` and what must be installed for each."""
    available = available_devices()
    rows = [("auto", "yes", "the best of the others that starts")]
    rows += [
        (name, "yes" if name in available else "no",
         device.summary if name in available else f"{device.summary}: {device.install}")
        for name, device in DEVICES.items()
    ]  # fmt: skip
    return columns([("device", "here", "what it is"), *rows])
