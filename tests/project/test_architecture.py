"""The structure: what may import what, and how large a folder may grow."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ALLOWED = {
    "runtime": {"runtime"},
    "finetune": {"runtime", "finetune"},
    "export": {"runtime", "finetune", "export"},
    "benchmarks": {"runtime", "finetune", "export", "benchmarks"},
}
"""Package → the packages that it may import."""
ROOMS = {
    "runtime": ("errors", "lazy_import", "distribution", "files", "photos", "inference", "species", "answers",
                "classifier", "services", "command_line"),
    "finetune": ("accuracy", "torchvision_import", "data", "network", "recipe", "slimming", "run", "batches",
                 "training", "command_line"),
    "export": (
        "errors", "confidence", "graph", "files", "targets", "verification", "quantization", "stages", "mobile", "web",
        "command_line",
    ),
    "benchmarks": (
        "engines", "workers", "core", "environments", "baselines", "fuzzing", "archive", "measurements", "suites",
        "command_line",
    ),
}  # fmt: skip
"""Package → its rooms, from the lowest to the highest. A room imports itself and the rooms before it."""
RUNTIME_LIBRARIES = {"numpy", "PIL", "onnxruntime", "argcomplete", "pillow_heif"}
LIBRARIES_OF_SERVICES = {
    "archive": {"boto3", "botocore", "pyarrow", "ray"},
    "camera": {"cv2", "picamera2"},
    "serving": {"starlette", "uvicorn", "python_multipart", "prometheus_client"},
    "delivery": {"paho"},
}
"""Folder of `runtime.services` → the libraries that it may import, each in the function that first uses it."""
FROM_FINETUNE_IN_EXPORT = ("finetune.accuracy", "finetune.data.", "finetune.network.")
MAX_ENTRIES = 14
WITHOUT_LIMIT = {"benchmarks/report"}


def imports_of(package: str) -> Iterator[tuple[Path, ast.Import | ast.ImportFrom, list[str]]]:
    """Every import statement of a package with the modules that it names, wherever in a file it stands."""
    for path in sorted((ROOT / package).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                yield path.relative_to(ROOT), node, [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{path}: imports are absolute in this project"
                yield path.relative_to(ROOT), node, [node.module or ""]


@pytest.mark.parametrize("package", ALLOWED)
def test_packages_import_downwards_only(package: str) -> None:
    for file, _, names in imports_of(package):
        ours = {name.partition(".")[0] for name in names} & set(ALLOWED)
        assert ours <= ALLOWED[package], file


@pytest.mark.parametrize("package", ROOMS)
def test_rooms_import_downwards_only(package: str) -> None:
    order = ROOMS[package]
    for file, _, names in imports_of(package):
        room = file.parts[1].removesuffix(".py")
        if room not in order:
            assert room.startswith("__"), f"{file}: put {room!r} in ROOMS"
            continue
        for name in names:
            parts = name.split(".")
            if parts[0] == package and len(parts) > 1:
                assert order.index(parts[1]) <= order.index(room), f"{file} imports {name}"


@pytest.mark.parametrize("package", ALLOWED)
def test_own_packages_are_imported_in_the_form_that_the_build_can_prefix(package: str) -> None:
    for file, node, names in imports_of(package):
        if isinstance(node, ast.Import):
            ours = [name for name in names if name.partition(".")[0] in ALLOWED]
            assert not ours or (len(names) == 1 and "." not in ours[0]), (
                f"{file}: write 'from PACKAGE.module import name'"
            )


def test_export_takes_data_and_checkpoints_from_finetune_and_nothing_else() -> None:
    for file, _, names in imports_of("export"):
        assert all(name.startswith(FROM_FINETUNE_IN_EXPORT) for name in names if name.startswith("finetune")), file


def test_runtime_imports_its_own_libraries_only() -> None:
    for file, _, names in imports_of("runtime"):
        outside = {name.partition(".")[0] for name in names} - set(sys.stdlib_module_names) - {"runtime"}
        in_services = file.parts[:2] == ("runtime", "services")
        assert outside <= RUNTIME_LIBRARIES | (
            LIBRARIES_OF_SERVICES.get(file.parts[2], set()) if in_services else set()
        )


def test_runtime_loads_no_training_library() -> None:
    code = (
        "import sys, runtime, runtime.command_line.flower_infer, runtime.files.atomic; runtime.FlowerClassifier();"
        "print(sorted({name.partition('.')[0] for name in sys.modules} & {'torch', 'torchvision', 'scipy', 'onnx'}))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert result.stdout.strip() == "[]"


def test_torchvision_is_imported_in_one_file() -> None:
    importers = {
        file.as_posix()
        for package in ALLOWED
        for file, _, names in imports_of(package)
        if any(name.partition(".")[0] == "torchvision" for name in names)
    }
    assert importers == {"finetune/torchvision_import.py"}


def test_folders_show_about_a_dozen_entries() -> None:
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)
    if tracked.returncode:
        pytest.skip("no git checkout")
    entries: dict[str, set[str]] = {}
    for line in tracked.stdout.splitlines():
        path = Path(line)
        if (ROOT / path).exists():
            for folder in path.parents:
                entries.setdefault(folder.as_posix(), set()).add(path.relative_to(folder).parts[0])
    del entries["."]
    crowded = {folder: len(names) for folder, names in entries.items() if len(names) > MAX_ENTRIES}
    assert crowded.keys() <= WITHOUT_LIMIT, crowded


def test_a_module_has_one_object_under_both_names() -> None:
    code = (
        "import flower_edge, runtime, flower_edge.runtime.errors, runtime.errors, flower_edge.export;"
        "assert flower_edge.runtime is runtime;"
        "assert flower_edge.runtime.errors is runtime.errors;"
        "assert flower_edge.PhotoError is runtime.PhotoError;"
        "import export; assert flower_edge.export is export"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)
