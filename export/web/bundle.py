"""``python -m export --target web``: a model file and the page, as a folder that any web server can serve.

The folder is flat. Its large files, the network and onnxruntime-web's WebAssembly, are kept compressed and unpacked by
the page, since many web servers compress neither. The network is in ORT format, which a browser opens in about half the
time of ONNX: the graph is optimised already.
"""

import gzip
import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from export.files.bundle_folder import bundle_folder
from export.files.manifest import NAME, read_manifest, write_manifest
from export.graph.ort_format import to_ort
from export.verification.comparison import SAME_NETWORK
from export.web import onnxruntime_web
from export.web.bundle_check import MODEL_JSON, BundleError, check_bundle
from export.web.headers import ISOLATION, META_POLICY, SECURITY
from export.web.icons import icons
from runtime.inference.model_file import INPUT, OUTPUT, ModelInfo
from runtime.inference.session import Session

PAGE = Path(__file__).parent / "page"
SERVICE_WORKER, SERVICE_WORKER_LIST = "service-worker.js", "bundle.js"
POLICY_MARK = "CONTENT_SECURITY_POLICY"
"""In index.html, where `META_POLICY` goes."""
ORT_MAGIC = b"ORTM"
"""The flatbuffer's file identifier, at offset 4."""
COMPRESSION = 6
"""gzip's level: 9 takes three times as long and saves 0.1 %."""

WEB_APP = {
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
"""The web app manifest (W3C, "Web Application Manifest")."""


@dataclass(frozen=True)
class WebBundle:
    """What was written."""

    folder: Path
    sizes: dict[str, int]
    """File name → bytes."""


def build_web_bundle(
    model: Path,
    output: Path,
    *,
    archive: Path | None = None,
    report: Callable[[str], None] = lambda line: None,
) -> WebBundle:
    """Write the bundle of ``model`` to ``output``, which holds the whole of it or what it held before.

    Args:
        model: a model file.
        output: a folder that is new, empty, or an earlier bundle, which is replaced.
        archive: of onnxruntime-web, as npm packs it; by default npm fetches it.
        report: is told what is being done.

    Raises:
        ModelError: no model file of ours.
        NpmError: onnxruntime-web cannot be had.
        FlowerError: ``output`` is in use for something else.
        BundleError: the bundle does not stand its check.
    """
    output = output.resolve()
    session = Session(model, device="cpu")
    content = model.read_bytes()
    with bundle_folder(output, _files_of) as folder:
        report(f"onnxruntime-web {onnxruntime_web.VERSION}")
        engine = onnxruntime_web.read_files(onnxruntime_web.archive(archive))
        report(f"packing {model.name}")
        if content[4:8] != ORT_MAGIC:
            content = to_ort({"model": content})["model.ort"]
        for name, data in _files(session.info, f"{model.stem}.ort", content, engine).items():
            (folder / name).write_bytes(data)
        write_manifest(sorted(folder.iterdir()))
        report("checking")
        _same_answers(session, check_bundle(folder))
    return WebBundle(output, {path.name: path.stat().st_size for path in sorted(output.iterdir())})


def _files_of(folder: Path) -> set[str]:
    """The files of the bundle in ``folder``; none where it is no bundle."""
    ours = all((folder / name).is_file() for name in (NAME, MODEL_JSON, SERVICE_WORKER_LIST))
    return {NAME, *read_manifest(folder)} if ours else set()


def _files(info: ModelInfo, name: str, model: bytes, engine: Mapping[str, bytes]) -> dict[str, bytes]:
    """File name → content of everything but the manifest."""
    packed = {
        "model": (f"{name}.gz", model),
        "wasm": (f"{onnxruntime_web.WASM}.gz", engine[onnxruntime_web.WASM]),
    }
    large = {file: gzip.compress(content, COMPRESSION, mtime=0) for file, content in packed.values()}
    entries = {
        key: {
            "file": file,
            "bytes": len(large[file]),
            "unpacked_bytes": len(content),
            "sha256": hashlib.sha256(content).hexdigest(),
        }
        for key, (file, content) in packed.items()
    }
    description = {
        "files": entries,
        "onnxruntime_web": onnxruntime_web.VERSION,
        "input": INPUT,
        "output": OUTPUT,
        "classes": list(info.classes),
        "preprocessing": info.preprocessing.to_dict(),
        "temperature": info.temperature,
        "threshold": info.threshold,
        "architecture": info.architecture,
        "precision": info.precision,
        "evaluation": info.evaluation,
    }
    small = {path.name: path.read_bytes() for path in sorted(PAGE.iterdir()) if path.is_file()}
    small["index.html"] = small["index.html"].replace(POLICY_MARK.encode(), META_POLICY.encode())
    small |= {file: engine[file] for file in (onnxruntime_web.SCRIPT, onnxruntime_web.LOADER)}
    small |= icons()
    small[MODEL_JSON] = _json(description)
    small["app.webmanifest"] = _json(WEB_APP)
    small["LICENCES.txt"] = _licences()
    return {**small, **large, SERVICE_WORKER_LIST: _service_worker_list(small, entries)}


def _service_worker_list(small: Mapping[str, bytes], entries: Mapping[str, Any]) -> bytes:
    """What the service worker keeps. It differs if any file does, and that is how a browser notices a new bundle."""
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in sorted(small.items())}
    listed = {
        "version": hashlib.sha256(json.dumps([digests, entries]).encode()).hexdigest(),
        "small": {name: digest for name, digest in digests.items() if name != SERVICE_WORKER},
        "large": list(entries.values()),
        "headers": {**SECURITY, **ISOLATION},
    }
    return b"self.BUNDLE = " + _json(listed).rstrip() + b";\n"


def _licences() -> bytes:
    """Of everything in the folder. The notices of what is compiled into onnxruntime are in its Python package, too."""
    package = Path(onnxruntime.__file__).parent
    parts = [
        "The page and its scripts are part of flower-edge, under the Apache License 2.0:\n"
        "https://www.apache.org/licenses/LICENSE-2.0\n\n"
        "The model that comes with flower-edge was trained on Oxford 102 Flowers, whose images carry no licence\n"
        "statement, from ImageNet weights under the Apache License 2.0. Another model has its own terms.\n",
        f"onnxruntime-web {onnxruntime_web.VERSION} ({', '.join(onnxruntime_web.FILES)}):\n",
    ]
    for name in ("LICENSE", "ThirdPartyNotices.txt"):
        try:
            parts.append((package / name).read_text(encoding="utf-8", errors="replace"))
        except OSError:
            raise BundleError(
                f"{package / name}: missing, and the bundle must carry it; install onnxruntime again"
            ) from None
    return ("\n" + "-" * 80 + "\n\n").join(parts).encode()


def _same_answers(session: Session, bundled: Session) -> None:
    """Compare the bundle's network with the model file's on images of noise, which use all of its range."""
    size = session.info.preprocessing.size
    images = np.random.default_rng(0).integers(0, 256, (2, size, size, 3), dtype=np.uint8)
    expected, found = session.logits(images), bundled.logits(images)
    worst = float(np.abs(expected - found).max())
    if worst > SAME_NETWORK * float(expected.std()):
        raise BundleError(
            f"{session.path}: in ORT format it answers differently (a logit by {worst:.3g}); "
            "export it again with the installed onnxruntime"
        )


def _json(value: object) -> bytes:
    return (json.dumps(value, indent=1, ensure_ascii=False) + "\n").encode()


def describe(bundle: WebBundle) -> str:
    """The folder's files by size, for a person."""
    width = max(map(len, bundle.sizes))
    rows = [f"{name:<{width}}  {size / 1e6:6.2f} MB" for name, size in _largest_first(bundle.sizes) if size >= 10_000]
    total = f"{'all ' + str(len(bundle.sizes)) + ' files':<{width}}  {sum(bundle.sizes.values()) / 1e6:6.2f} MB"
    return "\n".join(
        [*rows, total, f"{bundle.folder}: whole; look at it with: python -m export --serve {bundle.folder}"]
    )


def _largest_first(sizes: Mapping[str, int]) -> list[tuple[str, int]]:
    return sorted(sizes.items(), key=lambda item: -item[1])
