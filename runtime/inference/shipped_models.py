"""The models inside the package, and their names."""

import os
from pathlib import Path

FOLDER = Path(__file__).parents[1] / "models"
SHIPPED_MODELS = {
    "full": FOLDER / "flowers-resnet50-int8.onnx",
    "slim": FOLDER / "flowers-resnet50-slim-int8.onnx",
    "tiny": FOLDER / "flowers-resnet50-tiny-int8.onnx",
}
"""Name → model file. *slim* and *tiny* are smaller and faster, and a little less accurate."""
DEFAULT_MODEL = SHIPPED_MODELS["full"]
SMALL_MODEL = SHIPPED_MODELS["slim"]
"""For phones and browsers, which download the model first."""


def model_path(model: str | os.PathLike[str]) -> Path:
    """Return the file of a model.

    Args:
        model: a name in `SHIPPED_MODELS`, or the path of a file. A file that is called like a model is ``./slim``, or a
            `pathlib.Path`.
    """
    return SHIPPED_MODELS[model] if isinstance(model, str) and model in SHIPPED_MODELS else Path(model)
