"""What the suite about GPUs is made of: what is missing, samples of how busy a GPU is, and judging ``auto``."""

import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmarks.measurements.gpu import requirements
from benchmarks.measurements.gpu.auto_choice import chosen_devices, statements
from benchmarks.measurements.gpu.requirements import gpu_description, missing
from benchmarks.measurements.gpu.utilization import Utilization, busy_figures, parse_sample
from tests.samples.tiny_model import save_tiny_model


def nvidia_smi(folder: Path, output: str, status: int = 0) -> str:
    """Write a program in the place of ``nvidia-smi`` and return its path."""
    program = folder / "nvidia-smi"
    program.write_text(f"#!{sys.executable}\nimport sys\nprint({output!r})\nsys.exit({status})\n")
    program.chmod(0o755)
    return str(program)


def test_nothing_is_missing_for_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requirements, "NVIDIA_SMI", "no-such-program")
    assert missing(["cpu"], ["cpu"]) == []


def test_everything_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requirements, "NVIDIA_SMI", "no-such-program")
    monkeypatch.setattr("onnxruntime.get_available_providers", lambda: ["CPUExecutionProvider"])
    monkeypatch.setattr(torch.version, "cuda", None)
    driver, onnxruntime, libraries = missing(["cpu", "cuda", "tensorrt"], ["cuda"])
    assert "driver" in driver
    assert "pip install 'onnxruntime-gpu[cuda,cudnn]'" in onnxruntime
    assert libraries == requirements.TORCH
    assert missing([], ["cuda"]) == [driver, libraries]
    assert missing(["tensorrt"], []) == [driver, onnxruntime]


def test_torch_with_cuda_that_finds_no_gpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(requirements, "NVIDIA_SMI", nvidia_smi(tmp_path, "A GPU, 24576 MiB, 580.1"))
    assert missing([], ["cuda"]) == [requirements.TORCH_WITH_CUDA]
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert missing([], ["cuda"]) == []


def test_gpu_is_described_by_its_driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requirements, "NVIDIA_SMI", nvidia_smi(tmp_path, "A GPU, 24576 MiB, 580.1"))
    assert gpu_description() == "A GPU, 24576 MiB, driver 580.1"
    monkeypatch.setattr(requirements, "NVIDIA_SMI", nvidia_smi(tmp_path, "No devices were found", 6))
    assert gpu_description() is None


@pytest.mark.parametrize(
    ("line", "share"),
    [("37\n", 0.37), ("0", 0), ("100", 1), ("[N/A]\n", None), ("", None), ("101", None), ("nan", None), ("37 %", None)],
)
def test_samples_are_parsed(line: str, share: float | None) -> None:
    assert parse_sample(line) == share


def test_samples_have_the_time_at_which_they_came() -> None:
    started = time.monotonic()
    code = "import time\nprint(50)\nprint('[N/A]')\nprint(100, flush=True)\ntime.sleep(600)"
    with Utilization([sys.executable, "-c", code]) as utilization:
        while len(utilization.between(started, time.monotonic())) < 2:
            time.sleep(0.01)
        ended = time.monotonic()
    assert utilization.between(started, ended) == [0.5, 1]
    assert utilization.between(ended, time.monotonic()) == []
    assert busy_figures([0.5, 1]) == {"samples": 2, "busy": 0.75}


@pytest.mark.parametrize("sampler", [["no-such-program"], [sys.executable, "-c", "raise SystemExit(9)"]])
def test_sampler_that_fails_gives_no_samples(sampler: list[str]) -> None:
    started = time.monotonic()
    with Utilization(sampler) as utilization:
        pass
    assert busy_figures(utilization.between(started, time.monotonic())) == {"samples": 0, "busy": None}


def row(form: str, device: str, *milliseconds: float) -> dict[str, Any]:
    return {"form": form, "device": device, "milliseconds": {"1": list(milliseconds)}}


@pytest.mark.parametrize(
    ("chosen", "is_slower", "words"),
    [
        ("cuda", True, "`auto` chooses cuda. cpu is faster: 2.00 (2.00 to 2.00) times as fast."),
        ("cpu", False, "`auto` chooses cpu, the fastest measured: 2.00 (2.00 to 2.00) times as fast as cuda."),
        ("openvino", None, "`auto` chooses openvino, which was not measured with this file."),
        (None, None, "`auto` opens no device with this file."),
    ],
)
def test_the_choice_of_auto_is_judged_by_the_figures(chosen: str | None, is_slower: bool | None, words: str) -> None:
    rows: list[dict[str, Any]] = [
        row("int8", "cpu", 3, 4, 5),
        row("int8", "cuda", 6, 8, 10),
        {"form": "int8", "device": "tensorrt", "failed": "not installed"},
        row("fp16", "cuda", 1, 1, 1),
    ]
    (judged,) = statements([{"form": "int8", "device": chosen}], rows)
    assert judged == {"form": "int8", "batch": 1, "is_slower": is_slower, "text": words}


def test_devices_that_do_not_differ_and_a_device_alone() -> None:
    rows = [row("int8", "cpu", 4, 4, 4), row("int8", "cuda", 3, 4, 5), row("fp16", "cuda", 1, 1, 1)]
    choices = [{"form": "int8", "device": "cuda"}, {"form": "fp16", "device": "cuda"}]
    same, alone = statements(choices, rows)
    assert (same["is_slower"], "cpu does not differ: 1.00" in same["text"]) == (False, True)
    assert (alone["is_slower"], "No other device was measured" in alone["text"]) == (None, True)
    assert statements(choices, []) == []


def test_auto_says_what_it_chose_and_why_not(tmp_path: Path) -> None:
    damaged = tmp_path / "damaged.onnx"
    damaged.write_bytes(b"no model")
    good, bad = chosen_devices({"int8": save_tiny_model(tmp_path / "tiny.onnx"), "fp16": damaged}, threads=1)
    assert good["device"] is not None
    assert bad["device"] is None
    assert "damaged.onnx" in bad["passed_over"]["auto"]
