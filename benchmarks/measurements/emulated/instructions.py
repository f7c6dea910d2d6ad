"""Executed instructions of one answer on an emulated arm64 processor: of each step, and of each stage of the network.

An emulator's time says nothing about the processor, but the number of instructions that a program executes is the same
on both.
"""

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx.utils import Extractor

import runtime
from benchmarks.environments.emulators import Processor
from benchmarks.environments.instruction_counter import InstructionCounter
from benchmarks.measurements.emulated.answers import copy_package
from benchmarks.workers import worker_path
from export.graph.onnx_files import read_onnx
from finetune.network.stages import STAGES
from runtime.errors import FlowerError
from runtime.inference.model_file import INPUT, OUTPUT
from runtime.inference.optimised_form import CACHE_VARIABLE
from runtime.inference.session import Session

STEPS = (
    "start of Python", "import numpy", "import onnxruntime", "other imports", "opening the model", "decoding the photo",
    "first run of the network", "later run of the network",
)  # fmt: skip
"""In the order of the marks of the worker ``counted_answer``. The last is not part of a single answer."""
ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}


def count_instructions(counter: InstructionCounter, processor: Processor, model: Path, photo: Path) -> dict[str, Any]:
    """Count the instructions of one answer with one thread. The byte code of all imports is cached.

    Args:
        counter: the emulator.
        processor: an aarch64 one.
        model: a model file.
        photo: to classify.

    Returns:
        ``steps`` (instructions of each of `STEPS`), ``first_opening`` (of opening the model when its optimised form is
        not in the cache yet), ``command`` (of the whole ``flower-infer``) and ``stages`` (instructions of each stage of
        the network, a later run).
    """
    with tempfile.TemporaryDirectory() as folder:
        sources = Path(folder, "sources")
        copy_package(runtime, sources)
        worker = str(worker_path("counted_answer"))
        steps = [worker, "photo", str(model.resolve()), str(photo.resolve())]
        # As flower-infer is started: with one thread, because the counter takes no more.
        command = ["-m", runtime.__name__, str(photo.resolve()), "--model", str(model.resolve()), "--threads", "1"]
        environment = {**ONE_THREAD, CACHE_VARIABLE: str(Path(folder, "cache"))}
        # The first time, Python compiles what it imports, and the runtime keeps the optimised form of the model.
        (first, marks), (_, whole) = (
            [counter.count(processor, [sources], arguments, environment) for _ in range(2)]
            for arguments in (steps, command)
        )
        networks = networks_up_to_each_stage(model, Path(folder))
        pixels = Path(folder, "pixels.npy")
        np.save(pixels, Session(model, device="cpu").info.preprocessing(photo)[np.newaxis])
        runs = [worker, "networks", str(pixels), *map(str, networks.values())]
        stage_marks = counter.count(processor, [sources], runs, ONE_THREAD)
    ends = [marks[str(number)] for number in range(len(STEPS))]
    up_to = [stage_marks[str(2 * number + 1)] - stage_marks[str(2 * number)] for number in range(len(networks))]
    return {
        "steps": dict(zip(STEPS, np.diff([0, *ends]).tolist(), strict=True)),
        "first_opening": first["4"] - first["3"],
        "command": whole["end"],
        "stages": dict(zip(networks, np.diff([0, *up_to]).tolist(), strict=True)),
    }


def networks_up_to_each_stage(model: Path, folder: Path) -> Mapping[str, Path]:
    """Write networks that end after each stage, and return them by the name of the stage; the last is whole.

    Raises:
        FlowerError: the model's layers do not have the names that the export gives them.
    """
    network = read_onnx(model)
    names = [stage[0] for stage in STAGES]
    ends = [*(_input_of_layer(network.graph, following) for following in names[1:]), OUTPUT]
    quantized = {output for node in network.graph.node if node.op_type == "QuantizeLinear" for output in node.output}
    for end in ends[:-1]:
        kind = onnx.TensorProto.UINT8 if end in quantized else onnx.TensorProto.FLOAT
        network.graph.value_info.append(onnx.helper.make_tensor_value_info(end, kind, None))
    extractor = Extractor(network)
    paths = {name: folder / f"{name}.onnx" for name in names}
    for path, end in zip(paths.values(), ends, strict=True):
        onnx.save(extractor.extract_model([INPUT], [end]), path)
    return paths


def _input_of_layer(graph: onnx.GraphProto, layer: str) -> str:
    """Return the name of the tensor that the first layer of a stage takes; of an INT8 network, its bytes."""
    made_by = {output: node for node in graph.node for output in node.output}
    weight = f"{layer}.weight" if layer == STAGES[-1][0] else f"{layer}.0.conv1.weight"
    for node in graph.node:
        if node.op_type in ("Conv", "Gemm") and node.input[1].startswith(weight):
            source = made_by[node.input[0]]
            return str(source.input[0] if source.op_type == "DequantizeLinear" else node.input[0])
    raise FlowerError(f"the model has no layer {layer!r}; give a model file of this toolkit")


def total(steps: Mapping[str, int]) -> int:
    """Return the instructions of one answer."""
    return sum(steps[name] for name in STEPS[:-1])
