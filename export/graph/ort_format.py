"""From ONNX to ORT format, with the list of operators that a reduced build of onnxruntime needs."""

import contextlib
import io
import logging
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

CONFIG = "required_operators_and_types.config"


def to_ort(models: Mapping[str, bytes]) -> dict[str, bytes]:
    """Convert models to ORT format with onnxruntime's converter. The optimisations are valid for every processor.

    The style ``Fixed`` fuses INT8 operators at conversion, which the CPU provider needs. The other style, ``Runtime``,
    leaves fusion to the device, for execution providers without INT8 kernels.

    Args:
        models: file name without suffix → bytes of an ONNX file.

    Returns:
        ``NAME.ort`` → bytes for each model, and `CONFIG` → the operators and types that all models together need.
    """
    # Imported here, because onnxruntime.tools imports torch where it is installed. The conversion does not need it.
    from onnxruntime.tools.convert_onnx_models_to_ort import OptimizationStyle, convert_onnx_models_to_ort

    with tempfile.TemporaryDirectory() as folder:
        for name, content in models.items():
            Path(folder, f"{name}.onnx").write_bytes(content)
        with _quiet_converter():
            convert_onnx_models_to_ort(
                Path(folder),
                optimization_styles=[OptimizationStyle.Fixed],
                target_platform="arm",
                allow_conversion_failures=False,
                enable_type_reduction=True,
            )
        files = {f"{name}.ort": Path(folder, f"{name}.ort").read_bytes() for name in models}
        # Comments are removed because they name the temporary folder.
        lines = [line for line in Path(folder, CONFIG).read_text().splitlines() if not line.startswith("#")]
    return {**files, CONFIG: "".join(f"{line}\n" for line in lines).encode()}


@contextlib.contextmanager
def _quiet_converter() -> Iterator[None]:
    """Hide the converter's progress lines, which name temporary folders. Errors are still raised as exceptions."""
    logging.disable(logging.INFO)
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            yield
    finally:
        logging.disable(logging.NOTSET)
