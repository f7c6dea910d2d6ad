"""Whether a folder is a whole web bundle: every file as the manifest has it, and a model that opens."""

import gzip
import hashlib
import json
import tempfile
import zlib
from pathlib import Path
from typing import Any

from export.files.manifest import NAME, read_manifest
from runtime.errors import FlowerError
from runtime.files.digest import file_digest
from runtime.inference.model_file import MAX_BYTES
from runtime.inference.session import Session

MODEL_JSON = "model.json"


class BundleError(FlowerError):
    """A folder that is no whole web bundle."""


def check_bundle(folder: Path) -> Session:
    """Look at every file of a bundle, and return its model, opened.

    Raises:
        BundleError: it is no bundle; a file is missing, changed or too many; or the page's description of the model is
            not the model's own.
        ModelError: the model does not open.
    """
    digests = read_manifest(folder)
    if MODEL_JSON not in digests:
        raise BundleError(f"{folder}: not a web bundle; make one with: python -m export --target web --output {folder}")
    present = {path.name for path in folder.iterdir()} - {NAME}
    for name in sorted(present | set(digests)):
        if name not in present:
            problem = "is missing"
        elif name not in digests:
            problem = f"is not in {NAME}"
        elif not (folder / name).is_file() or file_digest(folder / name) != digests[name]:
            problem = f"has changed since {NAME}"
        else:
            continue
        raise BundleError(f"{folder}: {name} {problem}; make the bundle again, into a new folder")
    try:
        description = json.loads((folder / MODEL_JSON).read_text(encoding="utf-8"))
        unpacked = {key: unpack(folder, entry) for key, entry in description["files"].items()}
        return _opened(folder, description, unpacked["model"])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BundleError(f"{folder / MODEL_JSON}: is damaged ({error!r}); make the bundle again") from None


def unpack(folder: Path, entry: dict[str, Any]) -> bytes:
    """The content of one of the large files, which are kept compressed, checked as the page checks it.

    Raises:
        BundleError: it is not what `MODEL_JSON` says.
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


def _opened(folder: Path, description: dict[str, Any], model: bytes) -> Session:
    with tempfile.TemporaryDirectory() as temporary:
        path = Path(temporary, description["files"]["model"]["file"]).with_suffix("")
        path.write_bytes(model)
        session = Session(path, device="cpu")
    info = session.info
    stated = [description[key] for key in ("classes", "preprocessing", "temperature", "threshold")]
    if stated != [list(info.classes), info.preprocessing.to_dict(), info.temperature, info.threshold]:
        raise BundleError(f"{folder / MODEL_JSON}: does not say what its model file says; make the bundle again")
    return session
