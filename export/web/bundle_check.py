"""The checks of a web bundle: its files, its description of the model, and its network."""

import gzip
import hashlib
import json
import tempfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from export.files.manifest import NAME, read_manifest
from export.verification.comparison import MAX_ROUNDING_DIFFERENCE
from export.verification.ort_reference import OrtReference
from export.web.contents import MODEL_JSON
from export.web.errors import BundleError
from runtime.distribution import module_command
from runtime.files.digest import file_digest
from runtime.inference.model_file import FAMILIARITY, MAX_BYTES
from runtime.inference.session import Session


def check_bundle(folder: Path) -> Session:
    """Check every file of the bundle in ``folder`` and open its model.

    Returns:
        The model, opened.

    Raises:
        BundleError: ``folder`` is not a bundle; a file is missing, has changed or is unknown; or `MODEL_JSON` and the
            model's own metadata differ.
        ModelError: the model does not open.
    """
    digests = read_manifest(folder)
    if MODEL_JSON not in digests:
        command = f"{module_command('export')} web --output {folder}"
        raise BundleError(f"{folder}: not a web bundle; make one with: {command}")
    present = {path.name for path in folder.iterdir()} - {NAME}
    for name in sorted(present | set(digests)):
        if name not in present:
            problem = "is missing"
        elif name not in digests:
            problem = f"is not in {NAME}"
        elif not (folder / name).is_file() or file_digest(folder / name) != digests[name]:
            problem = f"is not the file that {NAME} lists"
        else:
            continue
        raise BundleError(f"{folder}: {name} {problem}; make the bundle again, in a new folder")
    try:
        description = json.loads((folder / MODEL_JSON).read_text(encoding="utf-8"))
        unpacked = {key: unpack_file(folder, entry) for key, entry in description["files"].items()}
        return _open_described_model(folder, description, unpacked["model"])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BundleError(f"{folder / MODEL_JSON}: is damaged ({error!r}); make the bundle again") from None


def check_same_network(model: Path, bundled: Session) -> None:
    """Check that two networks give the same outputs for two images of noise, which use the whole range of the logits.

    Args:
        model: the model file that the bundle was made from.
        bundled: the bundle's model.

    Raises:
        BundleError: a logit or a distance differs by more than `MAX_ROUNDING_DIFFERENCE`, relative to the standard
            deviation of the logits and to the distance, or one of the networks has no familiarity.
    """
    size = bundled.info.preprocessing.size
    images = np.random.default_rng(0).integers(0, 256, (2, size, size, 3), dtype=np.uint8)
    expected, found = OrtReference(model).run(images), bundled.run(images)
    compared = [("logits", expected.logits, found.logits, float(expected.logits.std()))]
    if expected.familiarity is not None and found.familiarity is not None:
        reference, values = _distances(expected.familiarity), _distances(found.familiarity)
        compared.append((FAMILIARITY, reference, values, max(1.0, float(reference.min()))))
    elif expected.familiarity is not found.familiarity:
        raise BundleError(f"{model}: the conversion to ORT format changes its outputs; make the bundle again")
    for name, reference, values, scale in compared:
        worst = float(np.abs(reference - values).max())
        if worst > MAX_ROUNDING_DIFFERENCE * scale:
            raise BundleError(
                f"{model}: the conversion to ORT format changes its {name} (by up to {worst:.3g}); "
                "export the model again with the installed onnxruntime"
            )


def _distances(familiarity: np.ndarray) -> np.ndarray:
    """The distances behind familiarities, in units of the scale (`export.confidence.class_distance`).

    Noise is far from all classes. So its familiarity is near 0 in any network, and tells less than its distance.
    """
    distances: np.ndarray = -np.log2(np.maximum(familiarity, np.finfo(np.float32).tiny))
    return distances


def unpack_file(folder: Path, entry: dict[str, Any]) -> bytes:
    """Unpack one of the large files and check it as the page does.

    Args:
        folder: the bundle.
        entry: the description of the file in `MODEL_JSON`.

    Raises:
        BundleError: the file is not as described.
    """
    path = folder / entry["file"]
    try:
        with gzip.open(path) as file:
            content = file.read(MAX_BYTES + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise BundleError(f"{path}: cannot be unpacked ({error}); make the bundle again") from None
    if hashlib.sha256(content).hexdigest() != entry["sha256"] or path.stat().st_size != entry["bytes"]:
        raise BundleError(f"{path}: is not the file that {MODEL_JSON} describes; make the bundle again")
    return content


def _open_described_model(folder: Path, description: dict[str, Any], model: bytes) -> Session:
    """Open the model and compare its metadata with the page's description of it.

    A bundle that was made before version 0.3 describes no familiarity, and its model has none.
    """
    with tempfile.TemporaryDirectory() as temporary:
        path = Path(temporary, description["files"]["model"]["file"]).with_suffix("")
        path.write_bytes(model)
        session = Session(path, device="cpu")
    info = session.info
    expected = {
        "classes": list(info.classes),
        "preprocessing": info.preprocessing.to_dict(),
        "temperature": info.temperature,
        "threshold": info.threshold,
        "familiarity_threshold": info.familiarity_threshold,
        "familiarity_output": FAMILIARITY if session.has_familiarity else None,
    }
    described = {"familiarity_threshold": 0.0, "familiarity_output": None, **description}
    if {key: described[key] for key in expected} != expected:
        raise BundleError(f"{folder / MODEL_JSON}: differs from the metadata of the model file; make the bundle again")
    return session
