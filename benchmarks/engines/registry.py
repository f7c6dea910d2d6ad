"""All engines, in the order of the report."""

from benchmarks.engines.executorch_engine import EXECUTORCH
from benchmarks.engines.litert_engine import LITERT
from benchmarks.engines.model_file_engines import ONNXRUNTIME, OPENVINO
from benchmarks.engines.ncnn_engine import NCNN
from benchmarks.engines.torch_compile_engine import TORCH_COMPILE

MODEL_FILE_ENGINES = {engine.name: engine for engine in (ONNXRUNTIME, OPENVINO)}
"""By name: the engines that run model files."""
FORM_ENGINES = {engine.name: engine for engine in (NCNN, LITERT, EXECUTORCH, TORCH_COMPILE)}
"""By name: the engines that make forms of their own from a checkpoint."""
ENGINES = {**MODEL_FILE_ENGINES, **FORM_ENGINES}
