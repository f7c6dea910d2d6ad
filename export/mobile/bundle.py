"""The bundle: built in a temporary folder, opened from there, compared, and only then put in its place."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from export.files.bundle_folder import bundle_folder
from export.graph.onnx_files import read_onnx
from export.graph.ort_format import to_ort
from export.mobile.bundle_check import LABELS, BundleComparison, BundleModel, check_bundle
from export.mobile.documents import notice, readme
from export.mobile.photo_graph import photo_graph
from finetune.data.split import Split
from runtime.classifier import FlowerClassifier
from runtime.distribution import tool_versions
from runtime.errors import FlowerError
from runtime.files.digest import file_digest
from runtime.inference.model_file import ModelInfo

MANIFEST = "manifest.json"
FORMAT = 1
UNCHECKED = "drawn pictures only: not checked on photographs (--data)"


@dataclass(frozen=True)
class MobileBundle:
    """A bundle that was written."""

    folder: Path
    sizes: dict[str, int]
    """File → bytes."""
    checks: dict[str, BundleComparison]
    """ORT file → what it was found to do."""


def build_mobile_bundle(
    model: Path, output: Path, split: Split | None, report: Callable[[str], None] = print
) -> MobileBundle:
    """Make the mobile bundle of a model file.

    Args:
        model: a file written by ``python -m export``.
        output: a folder: a new one, an empty one, or an earlier bundle, which is replaced.
        split: photographs to check it on; without them, drawn pictures tell that it is put together rightly, but not
            that it names photographs as `FlowerClassifier` does.
        report: takes lines about what was found.

    Raises:
        ModelError: no model file of ours.
        ExportError: the bundle answers otherwise than the model file does.
        FlowerError: ``output`` holds something else, or the photographs are of other classes.
    """
    classifier = FlowerClassifier(model, device="cpu")
    info = classifier.info
    if split is not None and split.classes != info.classes:
        raise FlowerError(
            f"{model}: knows {len(info.classes)} classes ({info.classes[0]}, …), the data set has "
            f"{len(split.classes)} ({split.classes[0]}, …); give the data it was trained on, or --evaluate none"
        )
    square = f"flowers-{info.preprocessing.size}.ort"
    takes_any_size = {"flowers.ort": True, square: False}
    with bundle_folder(output, _files_of) as folder:
        for name, content in _models(model, info, takes_any_size).items():
            (folder / name).write_bytes(content)
        (folder / LABELS).write_text("".join(f"{name}\n" for name in _lines(info)), encoding="utf-8")
        checks = dict(zip(takes_any_size, check_bundle(folder, takes_any_size, classifier, split), strict=True))
        for name, check in checks.items():
            report(f"{name:15} {_told(check, split)}")
        source = {"name": model.name, "sha256": file_digest(model)}
        (folder / "README.md").write_text(readme(info, square, _sentence(checks, split)), encoding="utf-8")
        (folder / "NOTICE.md").write_text(notice(info, source), encoding="utf-8")
        manifest = _manifest(folder, info, source, checks, split)
        (folder / MANIFEST).write_text(json.dumps(manifest, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return MobileBundle(output, {file.name: file.stat().st_size for file in sorted(output.iterdir())}, checks)


def _files_of(folder: Path) -> set[str]:
    """The files that a manifest of ours in ``folder`` names, and it itself; none without one."""
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        return {MANIFEST, *manifest["files"]} if manifest["target"] == "mobile" else set()
    except (OSError, ValueError, KeyError, TypeError):
        return set()


def _models(path: Path, info: ModelInfo, takes_any_size: dict[str, bool]) -> dict[str, bytes]:
    """The ORT files, and the list of their operators."""
    model = read_onnx(path)
    graphs = {
        Path(name).stem: photo_graph(model, info, any_size=any_size).SerializeToString()
        for name, any_size in takes_any_size.items()
    }
    return to_ort(graphs)


def _lines(info: ModelInfo) -> tuple[str, ...]:
    broken = [name for name in info.classes if name.splitlines() != [name]]
    if broken:
        raise FlowerError(f"class {broken[0]!r} is not one line, as {LABELS} needs; rename it and train again")
    return info.classes


def _told(check: BundleComparison, split: Split | None) -> str:
    pictures = split.describe() if split else f"{check.images} {UNCHECKED}"
    words = f"same top-1 as flower-infer on {check.agreement:.2%} of {pictures}; "
    if check.top1 is not None:
        words += f"top-1 {check.top1:.2%}; "
    return f"{words}probabilities differ by {check.worst_difference:.4f} at most"


def _sentence(checks: dict[str, BundleComparison], split: Split | None) -> str:
    if split is None:
        return "It was not checked on photographs when it was made, only on drawn pictures."
    shares = " and ".join(f"{check.agreement:.2%}" for check in checks.values())
    return f"Both files were checked against `flower-infer` on {split.describe()}: the same best name on {shares}."


def _manifest(
    folder: Path, info: ModelInfo, source: dict[str, str], checks: dict[str, BundleComparison], split: Split | None
) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "target": "mobile",
        "model": {**source, "architecture": info.architecture, "precision": info.precision},
        "files": {
            file.name: {
                "bytes": file.stat().st_size,
                "sha256": file_digest(file),
                **(BundleModel(file, threads=1).signature() if file.name in checks else {}),
            }
            for file in sorted(folder.iterdir())
        },
        "classes": len(info.classes),
        "preprocessing": info.preprocessing.to_dict(),
        "temperature": info.temperature,
        "threshold": info.threshold,
        "accuracy": info.evaluation,
        "check": {name: check.to_dict(split) for name, check in checks.items()},
        "versions": tool_versions("onnx", "onnxruntime", "numpy", "pillow"),
    }
