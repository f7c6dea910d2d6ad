"""ONNX to ORT format, and the list of operators that a small build of onnxruntime needs for it."""

import contextlib
import io
import logging
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from onnxruntime.tools.convert_onnx_models_to_ort import OptimizationStyle, convert_onnx_models_to_ort

CONFIG = "required_operators_and_types.config"


def to_ort(models: Mapping[str, bytes]) -> dict[str, bytes]:
    """Models in ORT format, by onnxruntime's own converter: their graphs optimised, but for no one processor.

    The style is ``Fixed``: INT8 operators are fused here and not on the phone, which is what its CPU wants. (The other
    one, ``Runtime``, leaves that to the phone, for execution providers that take none of these operators in INT8.)

    Args:
        models: name without ending → ONNX file.

    Returns:
        ``NAME.ort`` for each, and under `CONFIG` the operators and types that all of them together need.
    """
    with tempfile.TemporaryDirectory() as folder:
        for name, content in models.items():
            Path(folder, f"{name}.onnx").write_bytes(content)
        with _quiet():
            convert_onnx_models_to_ort(
                Path(folder),
                optimization_styles=[OptimizationStyle.Fixed],
                target_platform="arm",
                allow_conversion_failures=False,
                enable_type_reduction=True,
            )
        files = {f"{name}.ort": Path(folder, f"{name}.ort").read_bytes() for name in models}
        # Comments name the temporary folder.
        lines = [line for line in Path(folder, CONFIG).read_text().splitlines() if not line.startswith("#")]
    return {**files, CONFIG: "".join(f"{line}\n" for line in lines).encode()}


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """The converter tells of its progress and its folders; errors still come as exceptions."""
    logging.disable(logging.INFO)
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            yield
    finally:
        logging.disable(logging.NOTSET)
