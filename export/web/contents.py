"""The content of the bundle's files.

The bundle is one flat folder. Its two large files, the network and onnxruntime-web's WebAssembly, are stored as gzip
and unpacked by the page, because many web servers compress neither.
"""

import gzip
import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from export.web.icons import icon_files
from export.web.licences import licences_text
from export.web.onnxruntime_web import LOADER, SCRIPT, VERSION, WASM
from export.web.service_worker import SERVICE_WORKER_LIST, service_worker_list
from runtime.inference.model_file import FAMILIARITY, INPUT, OUTPUT
from runtime.inference.session import Session
from runtime.services.page_headers import META_POLICY
from runtime.species.names import shipped_names

PAGE = Path(__file__).parent / "page"
"""The page's own files. Each file in this folder becomes a file of the bundle."""
MODEL_JSON = "model.json"
POLICY_PLACEHOLDER = "CONTENT_SECURITY_POLICY"
"""The place of `META_POLICY` in index.html."""
GZIP_LEVEL = 6
"""Level 9 takes three times as long and saves 0.1 %."""

WEB_APP_MANIFEST = {
    "name": "Flowers",
    "short_name": "Flowers",
    "description": "Names the flower in a photo, on this device.",
    "id": "./",
    "start_url": "./",
    "scope": "./",
    "display": "standalone",
    "background_color": "#faf6ef",
    "theme_color": "#faf6ef",
    "icons": [
        {"src": "icon.svg", "sizes": "any", "type": "image/svg+xml"},
        {"src": "icon-192.png", "sizes": "192x192", "type": "image/png"},
        {"src": "icon-512.png", "sizes": "512x512", "type": "image/png"},
        {"src": "icon-maskable-512.png", "sizes": "512x512", "type": "image/png", "purpose": "maskable"},
    ],
}
"""With this a phone can install the page on its home screen (W3C, "Web Application Manifest")."""


def bundle_contents(session: Session, name: str, model: bytes, engine: Mapping[str, bytes]) -> dict[str, bytes]:
    """Return all files of the bundle except ``SHA256SUMS``.

    Args:
        session: the model file.
        name: the file name of the network, without ``.gz``.
        model: the network in ORT format.
        engine: the files of onnxruntime-web, file name → content.

    Returns:
        File name → content.
    """
    unpacked = {"model": (f"{name}.gz", model), "wasm": (f"{WASM}.gz", engine[WASM])}
    large = {file: gzip.compress(content, GZIP_LEVEL, mtime=0) for file, content in unpacked.values()}
    entries = {
        key: {
            "file": file,
            "bytes": len(large[file]),
            "unpacked_bytes": len(content),
            "sha256": hashlib.sha256(content).hexdigest(),
        }
        for key, (file, content) in unpacked.items()
    }
    small = {path.name: path.read_bytes() for path in sorted(PAGE.iterdir()) if path.is_file()}
    small["index.html"] = small["index.html"].replace(POLICY_PLACEHOLDER.encode(), META_POLICY.encode())
    small |= {file: engine[file] for file in (SCRIPT, LOADER)}
    small |= icon_files()
    small[MODEL_JSON] = _to_json(_description(session, entries))
    small["app.webmanifest"] = _to_json(WEB_APP_MANIFEST)
    small["LICENCES.txt"] = licences_text().encode()
    return {**small, **large, SERVICE_WORKER_LIST: service_worker_list(small, entries)}


def _description(session: Session, entries: Mapping[str, Any]) -> dict[str, Any]:
    """The content of `MODEL_JSON`: everything that the page must know about the model."""
    info = session.info
    return {
        "files": entries,
        "onnxruntime_web": VERSION,
        "input": INPUT,
        "output": OUTPUT,
        "familiarity_output": FAMILIARITY if session.has_familiarity else None,
        "classes": list(info.classes),
        "names": names_in_languages(info.classes),
        "preprocessing": info.preprocessing.to_dict(),
        "temperature": info.temperature,
        "threshold": info.threshold,
        "familiarity_threshold": info.familiarity_threshold,
        "architecture": info.architecture,
        "precision": info.precision,
        "evaluation": info.evaluation,
    }


def names_in_languages(classes: Sequence[str]) -> dict[str, list[str]]:
    """Return the names of the classes in each language; nothing for a model whose classes have none."""
    names = shipped_names()
    if not any(names.latin(label) for label in classes):
        return {}
    return {language: [names.name(label, language) for label in classes] for language in names.languages}


def _to_json(value: object) -> bytes:
    return (json.dumps(value, indent=1, ensure_ascii=False) + "\n").encode()
