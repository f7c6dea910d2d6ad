"""The model file: an ONNX file that says everything that is needed to use it, and what it was measured to be.

The contract between ``export``, which writes such files, and everything that reads them:

* one input, ``image``: uint8, shape (batch, size, size, 3), RGB; normalisation happens inside the graph;
* one output, ``logits``: float32, shape (batch, classes);
* no external data: the one file is the model;
* the metadata below, each value JSON, under keys that begin with ``flower_edge.``.
"""

import json
import mmap
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from runtime.errors import ModelError
from runtime.photos.preprocessing import Preprocessing

INPUT, OUTPUT = "image", "logits"
FORMAT = 1
PREFIX = "flower_edge."
MAX_BYTES = 1024**3
MAX_CLASSES = 100_000
EXTERNAL_DATA = b"location"
"""The key of a StringStringEntryProto of TensorProto.external_data (onnx.proto): in every reference to another file."""
LENGTH = re.compile(rb"(?:\x08|\x88\x80*\x00)\Z")
"""What stands before it there: its length as a protobuf varint, which may be longer than it needs to be."""
DEFAULT_MODEL = Path(__file__).parents[1] / "models" / "flowers-resnet50-int8.onnx"
"""The model inside the package."""


@dataclass(frozen=True)
class ModelInfo:
    """What a model file says of itself."""

    classes: tuple[str, ...]
    """Names, in the order of the logits."""
    preprocessing: Preprocessing
    architecture: str = ""
    """For example ``resnet50``."""
    precision: str = ""
    """``fp32``, ``fp16`` or ``int8``."""
    temperature: float = 1.0
    """What logits are divided by before softmax, so that probabilities are neither too sure nor too shy."""
    threshold: float = 0.0
    """The least probability of the most probable class with which an answer counts as sure; 0: always."""
    evaluation: dict[str, Any] = field(default_factory=dict)
    """Split → how it was measured at export: number of images, top-1 in percent, and what it was compared with."""
    calibration: dict[str, Any] = field(default_factory=dict)
    """For int8: method, number of images and their digest. Empty otherwise."""
    training: dict[str, Any] = field(default_factory=dict)
    """The checkpoint: SHA-256, recipe, metrics."""
    versions: dict[str, str] = field(default_factory=dict)
    """Tools that made the file."""

    def to_metadata(self) -> dict[str, str]:
        """As ONNX metadata: string keys and JSON values."""
        values = {
            "format": FORMAT,
            "classes": list(self.classes),
            "preprocessing": self.preprocessing.to_dict(),
            "architecture": self.architecture,
            "precision": self.precision,
            "temperature": self.temperature,
            "threshold": self.threshold,
            "evaluation": self.evaluation,
            "calibration": self.calibration,
            "training": self.training,
            "versions": self.versions,
        }
        return {PREFIX + key: json.dumps(value, ensure_ascii=False) for key, value in values.items()}

    @classmethod
    def from_metadata(cls, metadata: Mapping[str, str], name: str = "the model") -> "ModelInfo":
        """Read back what `to_metadata` wrote.

        Raises:
            ModelError: not one of our files, or a newer format, or values that make no sense.
        """
        if PREFIX + "format" not in metadata:
            raise ModelError(
                f"{name}: an ONNX file, but not made by this toolkit; make one with: python -m export --checkpoint FILE"
            )
        try:
            values = {
                key.removeprefix(PREFIX): json.loads(text) for key, text in metadata.items() if key.startswith(PREFIX)
            }
        except (ValueError, RecursionError):
            raise ModelError(f"{name}: its metadata is damaged; export it again") from None
        if values["format"] != FORMAT:
            raise ModelError(
                f"{name}: format {values['format']!r} is not {FORMAT}; export it again or update flower-edge"
            )
        classes = values.get("classes")
        if not (
            isinstance(classes, list)
            and 0 < len(classes) <= MAX_CLASSES
            and all(isinstance(label, str) for label in classes)
        ):
            raise ModelError(f"{name}: its metadata holds no class names; export it again")
        preprocessing = values.get("preprocessing")
        if not isinstance(preprocessing, dict):
            raise ModelError(f"{name}: its metadata holds no preprocessing; export it again")
        temperature = values.get("temperature", 1.0)
        if not (isinstance(temperature, int | float) and 0.01 <= temperature <= 100):
            raise ModelError(f"{name}: its metadata holds an impossible temperature; export it again")
        threshold = values.get("threshold", 0.0)
        if not (isinstance(threshold, int | float) and 0 <= threshold <= 1):
            raise ModelError(f"{name}: its metadata holds an impossible threshold; export it again")
        notes = {key: values.get(key) for key in ("evaluation", "calibration", "training", "versions")}
        return cls(
            classes=tuple(classes),
            preprocessing=Preprocessing.from_dict(preprocessing),
            architecture=str(values.get("architecture", "")),
            precision=str(values.get("precision", "")),
            temperature=float(temperature),
            threshold=float(threshold),
            **{key: value if isinstance(value, dict) else {} for key, value in notes.items()},
        )


def check_model_file(path: Path) -> None:
    """Look at a model file from outside, before onnxruntime opens it.

    One that keeps weights in other files is none of ours; a forged one could name any file.

    Raises:
        ModelError: it is missing, unreadable, empty, too large, no file, or keeps weights in other files.
    """
    try:
        if path.is_dir():
            raise ModelError(f"{path}: is a folder, not a model file")
        if not path.is_file():
            raise ModelError(f"{path}: no such model file; make one with: python -m export --checkpoint FILE")
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise ModelError(f"{path}: larger than {MAX_BYTES // 1024**2} MB; not one of our models")
        if not size:
            raise ModelError(f"{path}: the file is empty")
        # Mapped and searched, not read and parsed: that would take as long as opening the model does.
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            place = content.find(EXTERNAL_DATA)
            while place >= 0:
                if LENGTH.search(content[max(0, place - 10) : place]):
                    raise ModelError(f"{path}: not a model of ours: it keeps weights in other files")
                place = content.find(EXTERNAL_DATA, place + 1)
    except (OSError, ValueError) as error:
        raise ModelError(f"{path}: cannot be read ({getattr(error, 'strerror', None) or error})") from None
