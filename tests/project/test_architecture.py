"""The house: what may import what."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MAY_IMPORT = {
    "runtime": {"runtime"},
    "finetune": {"runtime", "finetune"},
    "export": {"runtime", "finetune", "export"},
    "benchmarks": {"runtime", "finetune", "export", "benchmarks"},
}
DEVICE_LIBRARIES = {"numpy", "PIL", "onnxruntime"}
DATA_AND_CHECKPOINT = {
    "finetune.accuracy",
    "finetune.network.checkpoint",
    "finetune.data.dataset",
    "finetune.network.photo_network",
    "finetune.data.photo_batches",
    "finetune.data.split",
}


def imports(package: str) -> dict[str, set[str]]:
    """Every file of a package with the modules it imports, wherever in the file the import stands."""
    found = {}
    for path in sorted((ROOT / package).rglob("*.py")):
        names: set[str] = set()
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                names |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{path}: imports are absolute in this project"
                names.add(node.module or "")
        found[str(path.relative_to(ROOT))] = names
    assert found
    return found


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_packages_import_downwards_only(package: str) -> None:
    for file, names in imports(package).items():
        ours = {name.partition(".")[0] for name in names} & set(MAY_IMPORT)
        assert ours <= MAY_IMPORT[package], file


def test_export_takes_data_and_checkpoints_from_finetune_and_nothing_else() -> None:
    for file, names in imports("export").items():
        assert {name for name in names if name.startswith("finetune")} <= DATA_AND_CHECKPOINT, file


def test_runtime_names_no_library_but_its_own() -> None:
    for file, names in imports("runtime").items():
        outside = {name.partition(".")[0] for name in names} - set(sys.stdlib_module_names) - {"runtime"}
        assert outside <= DEVICE_LIBRARIES, file


def test_runtime_loads_no_training_library() -> None:
    code = (
        "import sys, runtime, runtime.command_line.flower_infer, runtime.files.atomic; runtime.FlowerClassifier();"
        "print(sorted({name.partition('.')[0] for name in sys.modules} & {'torch','torchvision','scipy','onnx'}))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert result.stdout.strip() == "[]"


def test_torchvision_is_imported_in_one_place() -> None:
    importers = {
        file
        for package in MAY_IMPORT
        for file, names in imports(package).items()
        if any(name.partition(".")[0] == "torchvision" for name in names)
    }
    assert importers == {"finetune/network/torchvision_import.py"}
