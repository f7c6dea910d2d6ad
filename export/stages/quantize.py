"""Stage 4: make the graph of each model file: FP32, FP16 and INT8."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import onnx

from export.confidence.class_distance import ClassDistance
from export.graph.byte_input import with_byte_input
from export.graph.familiarity_output import with_familiarity
from export.graph.float_graph import build_float_graph
from export.graph.half_precision import convert_to_float16
from export.quantization.calibration import collect_histograms
from export.quantization.int8 import quantize
from export.quantization.quantization_aware_training import fine_tune_for_int8
from export.quantization.ranges import find_ranges
from export.quantization.search import search
from export.stages.float_network import FloatNetwork
from export.stages.load import BATCH, ExportInputs
from export.targets import ModelVariant, model_variants
from runtime.distribution import tool_versions
from runtime.files.digest import file_digest
from runtime.inference.model_file import ModelInfo


@dataclass(frozen=True)
class QuantizationOptions:
    """How an export quantizes. The fields are those of `export.export_checkpoint`."""

    target: str
    quantize: str
    calibration_method: str
    search: bool
    qat_epochs: int
    max_drop: float


@dataclass(frozen=True)
class ExportVariant:
    """The graph of one model file."""

    name: str
    """Part of the file name, for example ``int8``."""
    graph: onnx.ModelProto
    """From the photo's bytes to logits and familiarity."""
    info: ModelInfo
    """Its metadata, still without accuracy, temperature and threshold."""
    core: onnx.ModelProto
    """The same network without the byte input."""
    float_core: onnx.ModelProto
    """The float network that ``core`` was made from, after fine-tuning and equalization."""


def quantize_variants(
    inputs: ExportInputs,
    network: FloatNetwork,
    distance: ClassDistance,
    options: QuantizationOptions,
    report: Callable[[str], None],
) -> tuple[ExportVariant, ...]:
    """Make all variants that ``options`` ask for, FP32 first.

    Args:
        inputs: the calibration photographs are used for INT8, and the training photographs for fine-tuning.
        network: the float graph.
        distance: for the familiarity, the same in all variants.
        options: how to quantize.
        report: receives a line about the calibration and, with a search, about each candidate.
    """
    info = _base_info(inputs, distance)
    variants = []
    for variant in model_variants(options.target, options.quantize):
        named = replace(info, precision=variant.precision)
        if variant.precision == "fp32":
            made = ExportVariant(variant.name, with_byte_input(network.core), named, network.core, network.core)
        elif variant.precision == "fp16":
            graph = convert_to_float16(with_byte_input(network.core, use_cast=True))
            made = ExportVariant(variant.name, graph, named, graph, network.core)
        else:
            made = _quantize_to_int8(variant, named, inputs, network, options, report)
        variants.append(replace(made, graph=with_familiarity(made.graph, distance)))
    return tuple(variants)


def _quantize_to_int8(
    variant: ModelVariant,
    info: ModelInfo,
    inputs: ExportInputs,
    network: FloatNetwork,
    options: QuantizationOptions,
    report: Callable[[str], None],
) -> ExportVariant:
    split, tensorrt = inputs.calibration, variant.tensorrt
    notes: dict[str, Any] = {}
    float_core = network.core
    if options.qat_epochs:
        fine_tuned = fine_tune_for_int8(inputs.checkpoint, inputs.training, options.qat_epochs, tensorrt=tensorrt)
        float_core = build_float_graph(fine_tuned)
        notes["qat"] = fine_tuned.provenance["qat"]
    method, float_layers = options.calibration_method, tuple[str, ...]()
    if options.search:
        pixels = np.concatenate(list(inputs.calibration_batches()))
        batches = (pixels[start : start + BATCH] for start in range(0, len(pixels), BATCH))
        histograms = collect_histograms(float_core, batches, len(split))
        result = search(
            float_core, histograms, pixels, split.labels, options.max_drop, report,
            tensorrt=tensorrt, reference=network.core,
        )  # fmt: skip
        settings, core = result.best.settings, result.best.model
        method, float_layers, float_core = settings.method, settings.float_layers, settings.core
        notes["repairs"] = list(settings.repairs)
        notes["tried"] = {candidate.title(): candidate.to_metadata() for candidate in result.tried}
        notes["layers"] = result.layers_to_metadata()
        title = result.best.title()
    else:
        # Decoded and run batch by batch, so that memory does not grow with the number of photographs.
        histograms = collect_histograms(float_core, inputs.calibration_batches(), len(split))
        core = quantize(float_core, find_ranges(histograms, method, symmetric=tensorrt), tensorrt=tensorrt)
        title = method
    report(f"int8     calibrated on {split.describe()}, {title}")
    notes |= {
        "method": method,
        "split": split.name,
        "images": len(split),
        "sha256": split.digest(),
        "float_layers": list(float_layers),
    }
    graph = with_byte_input(core, use_cast=tensorrt)
    return ExportVariant(variant.name, graph, replace(info, calibration=notes), core, float_core)


def _base_info(inputs: ExportInputs, distance: ClassDistance) -> ModelInfo:
    """The metadata that all files of an export share."""
    checkpoint = inputs.checkpoint
    return ModelInfo(
        classes=checkpoint.classes,
        preprocessing=checkpoint.preprocessing,
        architecture=checkpoint.architecture.name,
        familiarity={
            "scale": distance.scale,
            "directions": len(distance.precisions),
            "training_photographs": len(inputs.training),
        },
        training={
            "checkpoint_sha256": file_digest(inputs.checkpoint_file),
            "recipe": checkpoint.recipe,
            "metrics": checkpoint.metrics,
            "provenance": checkpoint.provenance,
            "versions": checkpoint.versions,
        },
        versions=tool_versions("torch", "onnx", "onnxscript", "onnxruntime", "numpy", "pillow"),
    )
