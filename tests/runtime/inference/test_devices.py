"""Devices, and the number of CPU threads."""

import argparse
import os
from pathlib import Path

import onnxruntime
import pytest

from runtime import DeviceError, FlowerClassifier
from runtime.command_line.arguments import add_threads_argument
from runtime.inference.cpu_threads import cpu_threads, default_threads, physical_cores, processor_time_limit
from runtime.inference.devices import DEVICES
from runtime.inference.providers import candidate_devices, preload_libraries, providers_for, reason_not_started
from tests.samples.tiny_model import save_tiny_model

CPU, CUDA = DEVICES["cpu"].provider, DEVICES["cuda"].provider


def provide_devices(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    """Let onnxruntime report the providers of these devices."""
    monkeypatch.setattr("onnxruntime.get_available_providers", lambda: [DEVICES[name].provider for name in names])


def test_auto_tries_the_best_device_first_and_the_cpu_last(monkeypatch: pytest.MonkeyPatch) -> None:
    provide_devices(monkeypatch, "tensorrt", "cuda", "cpu")
    assert [device.name for device in candidate_devices("auto")] == ["cuda", "cpu"]
    provide_devices(monkeypatch, "cpu")
    assert [device.name for device in candidate_devices("auto")] == ["cpu"]


def test_fallback_providers_of_a_device(monkeypatch: pytest.MonkeyPatch) -> None:
    provide_devices(monkeypatch, "tensorrt", "cuda", "cpu")
    assert providers_for(DEVICES["cpu"]) == [CPU]
    assert providers_for(DEVICES["tensorrt"]) == [DEVICES["tensorrt"].provider, CUDA, CPU]


@pytest.mark.parametrize(
    ("name", "words"), [("cuda", "onnxruntime-gpu"), ("qnn", "onnxruntime-qnn"), ("oven", "one of")]
)
def test_missing_device_error_names_the_package(name: str, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    provide_devices(monkeypatch, "cpu")
    with pytest.raises(DeviceError, match=words):
        candidate_devices(name)


def test_libraries_of_tensorrt_are_loaded_from_their_package_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "tensorrt_libs"
    package.mkdir()
    for name in ("__init__.py", "libnvonnxparser.so.10", "libnvinfer.so.10", "libnvinfer_builder_resource.so.10"):
        (package / name).touch()
    loaded: list[str] = []
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr("onnxruntime.preload_dlls", lambda: None)
    monkeypatch.setattr("ctypes.CDLL", lambda path: loaded.append(Path(path).name))
    preload_libraries(DEVICES["cuda"])
    assert loaded == []
    preload_libraries(DEVICES["tensorrt"])
    assert loaded == ["libnvinfer.so.10", "libnvonnxparser.so.10"]


def test_tensorrt_that_is_missing_or_damaged_is_left_to_onnxruntime(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("onnxruntime.preload_dlls", lambda: None)
    preload_libraries(DEVICES["tensorrt"])
    (tmp_path / "tensorrt_libs").mkdir()
    (tmp_path / "tensorrt_libs" / "libnvinfer.so.10").write_bytes(b"no library")
    monkeypatch.syspath_prepend(tmp_path)
    preload_libraries(DEVICES["tensorrt"])


def test_gpu_that_does_not_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The installed onnxruntime has no CUDA. A library that the system refuses stands for one that is missing."""
    model = save_tiny_model(tmp_path / "tiny.onnx")
    if CUDA in onnxruntime.get_available_providers():
        pytest.skip("there is a GPU")
    provide_devices(monkeypatch, "cuda", "cpu")
    monkeypatch.setattr("runtime.inference.providers.LIBRARIES", tmp_path)
    with pytest.raises(DeviceError, match=r"could not be started .*does not say why"):
        FlowerClassifier(model, device="cuda")
    (tmp_path / "libonnxruntime_providers_cuda.so").write_bytes(b"no library")
    with pytest.raises(DeviceError, match=r"libonnxruntime_providers_cuda\.so"):
        FlowerClassifier(model, device="cuda")
    classifier = FlowerClassifier(model)
    assert (classifier.device, list(classifier.failed_devices)) == ("cpu", ["cuda"])
    assert "libonnxruntime_providers_cuda.so" in classifier.failed_devices["cuda"]


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (
            "/src/onnxruntime/core/providers/cuda/cuda_call.cc:129 std::conditional_t<THRW, void, Status> "
            "CudaCall(ERRTYPE, const char*, int) [with ERRTYPE = cudaError] CUDA failure 100: no device ; GPU=-1\n",
            "CUDA failure 100: no device ; GPU=-1",
        ),
        (
            "/src/onnxruntime_pybind_state.cc:729 void onnxruntime::python::Register(PySessionOptions&, const P&) "
            "Please install TensorRT libraries.\n",
            "Please install TensorRT libraries.",
        ),
        ("[ONNXRuntimeError] : 11 : EP_FAIL : no device", "[ONNXRuntimeError] : 11 : EP_FAIL : no device"),
        ("", "RuntimeError"),
    ],
)
def test_reason_that_onnxruntime_raises(message: str, reason: str) -> None:
    assert reason_not_started(DEVICES["cuda"], RuntimeError(message)) == reason


def test_two_hardware_threads_of_a_core_count_once(tmp_path: Path) -> None:
    for processor, siblings in enumerate(("0,2", "1,3", "0,2", "1,3")):
        folder = tmp_path / f"cpu{processor}" / "topology"
        folder.mkdir(parents=True)
        (folder / "thread_siblings_list").write_text(siblings + "\n")
    assert physical_cores({0, 1, 2, 3}, tmp_path) == 2
    assert physical_cores({0, 2}, tmp_path) == 1
    assert physical_cores({7, 8}, tmp_path) == 2  # processors without topology files


@pytest.mark.parametrize(
    ("membership", "files", "limit"),
    [
        ("0::/a/b\n", {"a/cpu.max": "150000 100000", "a/b/cpu.max": "max 100000"}, 1.5),
        ("0::/\n", {"cpu.max": "max 100000"}, float("inf")),
        ("0::/../../host\n", {"cpu.max": "50000 100000"}, 0.5),
        ("3:cpu,cpuacct:/x\n", {"cpu/x/cpu.cfs_quota_us": "200000", "cpu/x/cpu.cfs_period_us": "100000"}, 2.0),
        ("3:cpu,cpuacct:/x\n", {"cpu/x/cpu.cfs_quota_us": "-1", "cpu/x/cpu.cfs_period_us": "100000"}, float("inf")),
        ("nonsense\n", {}, float("inf")),
    ],
)
def test_control_group_limits(membership: str, files: dict[str, str], limit: float, tmp_path: Path) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text + "\n")
    (tmp_path / "membership").write_text(membership)
    assert processor_time_limit(tmp_path, tmp_path / "membership") == limit


def test_half_a_processor_gets_one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runtime.inference.cpu_threads.processor_time_limit", lambda: 0.5)
    assert default_threads() == 1


def test_there_are_never_more_threads_than_processors(tmp_path: Path) -> None:
    """A thread that decodes photos is one of them."""
    processors = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    parser = argparse.ArgumentParser()
    add_threads_argument(parser)
    assert parser.parse_args(["--threads", "99999999999"]).threads == processors
    assert FlowerClassifier(save_tiny_model(tmp_path / "tiny.onnx"), threads=10**12).threads == processors
    assert (cpu_threads(1), cpu_threads()) == (1, default_threads())
