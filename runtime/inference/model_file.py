"""The model file: an ONNX file with metadata that says how to use it and how accurate it is.

This is the contract between ``export``, which writes model files, and everything that reads them:

* one input, ``image``: uint8, shape (batch, size, size, 3), RGB; normalization is inside the graph;
* the output ``logits``: float32, shape (batch, classes);
* the output ``familiarity``: float32, shape (batch,), 0 to 1 (`runtime.inference.session.Outputs`); files that were
  made before version 0.3 lack it;
* no external data: all weights are in the file;
* the metadata of `ModelInfo`, each value as JSON, under keys that begin with ``flower_edge.``.
"""

import json
import mmap
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from runtime.distribution import module_command
from runtime.errors import ModelError, OutOfMemoryError, says_too_little_memory
from runtime.inference.shipped_models import SHIPPED_MODELS
from runtime.photos.preprocessing import Preprocessing

INPUT, OUTPUT = "image", "logits"
"""The names of the network's input and first output."""
FAMILIARITY = "familiarity"
"""The name of the second output, which files of older versions lack."""
FORMAT = 2
"""The version of the file. A change that old readers cannot understand increases it. Format 1, of files that were made
before version 0.3, has no familiarity; it is read as well."""
READABLE_FORMATS = (1, 2)
PREFIX = "flower_edge."
"""The beginning of every key of the metadata."""
PRODUCER = "flower-edge"
"""The program that every ONNX file of this project names as its maker."""
MAX_BYTES = 1024**3
"""Largest model file that is opened."""
MAX_CLASSES = 100_000
EXTERNAL_DATA = b"location"
"""A key in TensorProto.external_data (onnx.proto), which every reference to another file contains."""
KEY_LENGTH = re.compile(rb"(?:\x08|\x88\x80*\x00)\Z")
"""The bytes before that key: its length as a protobuf varint, which a forged file may write with extra bytes."""
NOT_ENOUGH_MEMORY = "not enough memory for the network; close other programs, or raise the limit of this process"


@dataclass(frozen=True)
class Cuts:
    """The smallest values with which an answer is a name."""

    probability: float = 0.0
    """Of the most probable class, 0 to 1."""
    familiarity: float = 0.0
    """0 to 1."""


@dataclass(frozen=True)
class ModelInfo:
    """The metadata of a model file."""

    classes: tuple[str, ...]
    """The names of the classes, in the order of the logits."""
    preprocessing: Preprocessing
    architecture: str = ""
    """For example ``resnet50``."""
    precision: str = ""
    """``fp32``, ``fp16`` or ``int8``."""
    temperature: float = 1.0
    """The number by which logits are divided before softmax, so that probabilities match the share of right answers."""
    threshold: float = 0.0
    """An answer is no name if its best probability is below this; with 0, this excludes no answer."""
    familiarity_threshold: float = 0.0
    """An answer is "not like any flower the model knows" if the familiarity is below this."""
    strict: Cuts | None = None
    """Higher cuts, for those who prefer fewer names and fewer mistakes."""
    familiarity: dict[str, Any] = field(default_factory=dict)
    """How the familiarity was fitted and what share of new photographs is expected to get a name. Empty if the model
    has no familiarity."""
    evaluation: dict[str, Any] = field(default_factory=dict)
    """Split → the accuracy at export: number of images, top-1 in percent, and the comparison with FP32."""
    calibration: dict[str, Any] = field(default_factory=dict)
    """For int8: calibration method, number of images and their digest. Empty otherwise."""
    training: dict[str, Any] = field(default_factory=dict)
    """The checkpoint: SHA-256, recipe, metrics, provenance."""
    versions: dict[str, str] = field(default_factory=dict)
    """The versions of the tools that made the file."""

    @property
    def cuts(self) -> Cuts:
        """The smallest probability and familiarity of a name."""
        return Cuts(self.threshold, self.familiarity_threshold)

    @property
    def provenance(self) -> dict[str, Any]:
        """What `training` says about the data and the weights. Empty if it says nothing."""
        recorded = self.training.get("provenance")
        return recorded if isinstance(recorded, dict) else {}

    def to_metadata(self) -> dict[str, str]:
        """Return the metadata as ONNX stores it: string keys and JSON values."""
        values = {
            "format": FORMAT,
            "classes": list(self.classes),
            "preprocessing": self.preprocessing.to_dict(),
            "architecture": self.architecture,
            "precision": self.precision,
            "temperature": self.temperature,
            "threshold": self.threshold,
            "familiarity_threshold": self.familiarity_threshold,
            "strict": asdict(self.strict) if self.strict else None,
            "familiarity": self.familiarity,
            "evaluation": self.evaluation,
            "calibration": self.calibration,
            "training": self.training,
            "versions": self.versions,
        }
        return {PREFIX + key: json.dumps(value, ensure_ascii=False) for key, value in values.items()}

    @classmethod
    def from_metadata(cls, metadata: Mapping[str, str], name: str = "the model", *, producer: str = "") -> "ModelInfo":
        """Make a `ModelInfo` from the metadata that `to_metadata` returned.

        Args:
            metadata: of an ONNX file.
            name: of the file, for messages.
            producer: the program that made the file, as the file says.

        Raises:
            ModelError: the file was not made by this toolkit, has another format, or contains invalid values.
        """
        if PREFIX + "format" not in metadata:
            if producer == PRODUCER:
                raise ModelError(
                    f"{name}: the model of a phone bundle, which only apps open; give the .onnx file that it was made "
                    "from (the bundle's NOTICE.md names it)"
                )
            raise ModelError(
                f"{name}: a model, but not made by this toolkit; "
                f"make one with: {module_command('export')} --checkpoint FILE"
            )
        try:
            values = {
                key.removeprefix(PREFIX): json.loads(text) for key, text in metadata.items() if key.startswith(PREFIX)
            }
        except (ValueError, RecursionError):
            raise ModelError(f"{name}: its metadata is damaged; export it again") from None
        if values["format"] not in READABLE_FORMATS or isinstance(values["format"], bool):
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
            raise ModelError(f"{name}: its metadata holds an invalid temperature; export it again")
        cuts = _read_cuts(values.get("threshold", 0.0), values.get("familiarity_threshold", 0.0), name)
        strict = values.get("strict")
        if strict is not None:
            found = strict if isinstance(strict, dict) else {}
            strict = _read_cuts(found.get("probability"), found.get("familiarity"), name)
        records = {key: values.get(key) for key in ("familiarity", "evaluation", "calibration", "training", "versions")}
        return cls(
            classes=tuple(classes),
            preprocessing=Preprocessing.from_dict(preprocessing),
            architecture=str(values.get("architecture", "")),
            precision=str(values.get("precision", "")),
            temperature=float(temperature),
            threshold=cuts.probability,
            familiarity_threshold=cuts.familiarity,
            strict=strict,
            **{key: value if isinstance(value, dict) else {} for key, value in records.items()},
        )


def _read_cuts(probability: Any, familiarity: Any, name: str) -> Cuts:
    """Return cuts from values of the metadata of the file ``name``.

    Raises:
        ModelError: one of them is no number from 0 to 1.
    """
    for value in (probability, familiarity):
        # A bool is an int in Python, but no threshold.
        if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value <= 1:
            raise ModelError(f"{name}: its metadata holds an invalid threshold; export it again")
    return Cuts(float(probability), float(familiarity))


def check_model_file(path: Path) -> None:
    """Check a model file before onnxruntime opens it.

    A file that refers to weights in other files is refused, because a forged one could name any file.

    Raises:
        ModelError: the file is missing, unreadable, empty, too large, no regular file, or refers to other files.
        OutOfMemoryError: the memory does not suffice now.
    """
    try:
        if path.is_dir():
            raise ModelError(f"{path}: is a folder, not a model file")
        if not path.is_file():
            raise ModelError(
                f"{path}: no such model file; the models inside are {', '.join(SHIPPED_MODELS)}; make others with: "
                f"{module_command('export')} --checkpoint FILE"
            )
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise ModelError(f"{path}: larger than {MAX_BYTES // 1024**2} MB; not a model of this toolkit")
        if not size:
            raise ModelError(f"{path}: the file is empty")
        # Searching the mapped file is faster than parsing it, which takes as long as opening the model.
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            position = content.find(EXTERNAL_DATA)
            while position >= 0:
                if KEY_LENGTH.search(content[max(0, position - 10) : position]):
                    raise ModelError(f"{path}: not a model of this toolkit: it has weights in other files")
                position = content.find(EXTERNAL_DATA, position + 1)
    except (OSError, ValueError, MemoryError) as error:
        if says_too_little_memory(error):
            raise OutOfMemoryError(NOT_ENOUGH_MEMORY) from None
        raise ModelError(f"{path}: cannot be read ({getattr(error, 'strerror', None) or error})") from None
