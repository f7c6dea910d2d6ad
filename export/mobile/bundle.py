"""Making the mobile bundle: built in a temporary folder, checked there, and only then moved to its place."""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from export.files.bundle_folder import bundle_folder
from export.graph.onnx_files import read_onnx
from export.graph.ort_format import to_ort
from export.mobile.bundle_check import LABELS, BundleComparison, BundleModel, check_bundle
from export.mobile.documents import notice_text, readme_text
from export.mobile.photo_graph import VERDICTS, build_photo_graph
from finetune.data.split import Split
from runtime.distribution import tool_versions
from runtime.errors import FlowerError
from runtime.files.digest import file_digest
from runtime.inference.int8_overflow import int8_products_overflow
from runtime.inference.model_file import ModelInfo
from runtime.inference.session import Session

MANIFEST = "manifest.json"
FORMAT = 1
"""The version of the manifest's format."""
ANY_SIZE_FILE = "flowers.ort"
OVERFLOW_NOTE = (
    "INT8 overflows on this processor in ORT format, but not on ARM or on x86 with VNNI; the bundle was compared with "
    "the model file under the same condition"
)
UNCHECKED = "drawn pictures only: not checked on photographs (--data)"


@dataclass(frozen=True)
class MobileBundle:
    """A bundle that was written."""

    folder: Path
    sizes: dict[str, int]
    """File name → size in bytes."""
    checks: dict[str, BundleComparison]
    """Name of an ORT file → its answers compared with those of the model file."""


def build_mobile_bundle(
    model: Path, output: Path, split: Split | None, report: Callable[[str], None] = print
) -> MobileBundle:
    """Make the mobile bundle of a model file. If anything fails, ``output`` stays as it was.

    Args:
        model: a file written by ``python -m export``.
        output: a new folder, an empty one, or an earlier bundle, which is replaced.
        split: photographs for the check. With None, the check uses drawn pictures: these show errors of the crop, the
            channel order or the names, but not the agreement on photographs.
        report: called with one line of text for each result.

    Raises:
        ModelError: ``model`` is not a model file of this project.
        ExportError: the bundle's answers differ from those of the model file.
        FlowerError: ``output`` contains other files, or the photographs have other classes.
    """
    session = Session(model, device="cpu")
    info = session.info
    if split is not None and split.classes != info.classes:
        raise FlowerError(
            f"{model}: has {len(info.classes)} classes ({info.classes[0]}, …), the data set has "
            f"{len(split.classes)} ({split.classes[0]}, …); give the data set of its training, or --evaluate none"
        )
    fixed_size_file = f"flowers-{info.preprocessing.size}.ort"
    any_size = {ANY_SIZE_FILE: True, fixed_size_file: False}
    with bundle_folder(output, _bundle_files) as folder:
        for name, content in _convert_models(model, info, any_size).items():
            (folder / name).write_bytes(content)
        (folder / LABELS).write_text(labels_text(info), encoding="utf-8")
        checks = check_bundle(folder, any_size, model, split)
        for name, check in checks.items():
            report(f"{name:15} {_check_line(check, split)}")
        if int8_products_overflow():
            report(f"note            {OVERFLOW_NOTE}")
        source = {"name": model.name, "sha256": file_digest(model)}
        sentence = _check_sentence(checks, split)
        readme = readme_text(info, fixed_size_file, sentence, has_familiarity=session.has_familiarity)
        (folder / "README.md").write_text(readme, encoding="utf-8")
        (folder / "NOTICE.md").write_text(notice_text(info, source), encoding="utf-8")
        manifest = _manifest(folder, info, source, checks, split)
        (folder / MANIFEST).write_text(json.dumps(manifest, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return MobileBundle(output, {file.name: file.stat().st_size for file in sorted(output.iterdir())}, checks)


def labels_text(info: ModelInfo) -> str:
    """Return the content of `LABELS`: one class name on each line, in the order of the model.

    Raises:
        FlowerError: a class name is not exactly one line.
    """
    for name in info.classes:
        if name.splitlines() != [name]:
            raise FlowerError(f"class {name!r} is not exactly one line, as {LABELS} needs; rename it and train again")
    return "".join(f"{name}\n" for name in info.classes)


def _bundle_files(folder: Path) -> set[str]:
    """Names of the files of the mobile bundle in ``folder``; empty if ``folder`` is not a mobile bundle."""
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        return {MANIFEST, *manifest["files"]} if manifest["target"] == "mobile" else set()
    except (OSError, ValueError, KeyError, TypeError):
        return set()


def _convert_models(path: Path, info: ModelInfo, any_size: dict[str, bool]) -> dict[str, bytes]:
    """Return the ORT files and the list of their operators, file name → content."""
    model = read_onnx(path)
    graphs = {
        Path(name).stem: build_photo_graph(model, info, any_size=takes_any_size).SerializeToString()
        for name, takes_any_size in any_size.items()
    }
    return to_ort(graphs)


def _check_line(check: BundleComparison, split: Split | None) -> str:
    pictures = split.describe() if split else f"{check.images} drawn pictures"
    parts = [f"same top-1 as flower-infer on {check.agreement:.2%} of {pictures}"]
    if check.top1 is not None:
        parts.append(f"top-1 {check.top1:.2%}")
    parts.append(f"probabilities differ by {check.worst_difference:.4f} at most")
    parts.append(f"same verdict on {check.same_verdict:.2%}")
    return "; ".join(parts)


def _check_sentence(checks: dict[str, BundleComparison], split: Split | None) -> str:
    """One sentence for the bundle's README."""
    if split is None:
        return "This bundle was not checked on photographs when it was made, only on drawn pictures."
    shares = " and ".join(f"{check.agreement:.2%}" for check in checks.values())
    return (
        f"Both files were checked against `flower-infer` on {split.describe()}: they have the same top-1 on {shares}."
    )


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
        "familiarity_threshold": info.familiarity_threshold,
        "strict": asdict(info.strict) if info.strict else None,
        "verdicts": list(VERDICTS),
        "familiarity": info.familiarity,
        "accuracy": info.evaluation,
        "check": {name: check.to_dict(split) for name, check in checks.items()},
        "versions": tool_versions("onnx", "onnxruntime", "numpy", "pillow"),
    }
