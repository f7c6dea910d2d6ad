"""The command line of ``python -m export``: each subcommand has its own options only."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import export
from export.command_line import PROGRAM, main
from export.web.onnxruntime_web import FILES
from runtime.command_line.program import EXIT_USAGE, missing_package_message
from runtime.inference.shipped_models import DEFAULT_MODEL, SMALL_MODEL
from tests.samples.tiny_model import INFO, save_tiny_model

ROOT = Path(__file__).parents[2]
WITHOUT = ("torch", "torchvision", "scipy", "matplotlib", "filelock", "onnxscript", "accelerate", "jinja2")


@pytest.mark.parametrize(
    "arguments",
    [
        ["--target", "mobile"],
        ["--model", "file.onnx", "--threshold", "0.5"],
        ["--search", "check", "file.onnx"],
        ["check", "file.onnx", "--search"],
        ["serve", "site", "--data", "data"],
        ["mobile", "--checkpoint", "best.pt"],
        ["web", "--evaluate", "none"],
        ["metadata", "--threshold", "0.5"],
    ],
    ids=" ".join,
)
def test_options_of_another_subcommand_are_rejected(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as error:
        main(arguments)
    assert error.value.code == EXIT_USAGE


@pytest.mark.parametrize("subcommand", PROGRAM.subcommands)
def test_every_subcommand_has_help_with_examples(subcommand: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as error:
        main([subcommand, "--help"])
    assert error.value.code == 0
    assert f"\n  python -m export {subcommand} " in capsys.readouterr().out


@pytest.mark.parametrize("subcommand", PROGRAM.subcommands)
def test_subcommand_of_a_finished_file_does_not_import_torch(subcommand: str) -> None:
    code = (
        "import sys; from export.command_line import PROGRAM;"
        f"PROGRAM.subcommands[{subcommand!r}].load(); assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


def test_bundles_and_checks_run_with_the_packages_of_the_extra_bundle(tmp_path: Path, photo: Path) -> None:
    """What the extras `train` and `export` install besides is made impossible to import."""
    classes = tuple(sorted(INFO.classes))
    model = save_tiny_model(tmp_path / "tiny.onnx", with_familiarity=True, classes=classes)
    for split in ("train", "val", "test"):
        for label in classes:
            (tmp_path / "data" / split / label).mkdir(parents=True)
            shutil.copy(photo, tmp_path / "data" / split / label)
    data = ["--data", str(tmp_path / "data")]
    commands = [
        ["mobile", "--model", str(model), "--output", str(tmp_path / "app"), *data],
        ["web", "--model", str(model), "--output", str(tmp_path / "site")],
        ["metadata", str(model), "--threshold", "0.5", "--output", str(tmp_path / "changed")],
        ["check", str(tmp_path / "changed" / model.name), *data],
    ]
    code = f"""
import sys
for name in {WITHOUT}:
    sys.modules[name] = None  # its import raises ModuleNotFoundError
from export.command_line import main
from export.web import bundle
bundle.find_archive = lambda archive: None
bundle.read_archive = lambda path: {{name: b"" for name in {FILES}}}
print([main(arguments) for arguments in {commands}])
"""
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    # The check fails, because a tiny model records no accuracy.
    assert result.stdout.splitlines()[-1:] == ["[0, 0, 0, 1]"], result.stderr
    assert {"app", "site", "changed"} <= {path.name for path in tmp_path.iterdir()}


def test_a_missing_package_is_named_with_the_extra_of_the_subcommand() -> None:
    error = ModuleNotFoundError(name="onnx")
    assert missing_package_message("export", error, "web").endswith("pip install '.[bundle]'")
    assert missing_package_message("export", error, "--data").endswith("pip install '.[export]'")


def test_python_interface_has_every_name_that_it_lists() -> None:
    for name in export.__all__:
        assert getattr(export, name).__doc__ if callable(getattr(export, name)) else getattr(export, name)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = export.nothing


def test_bundles_take_the_small_model() -> None:
    assert SMALL_MODEL.stat().st_size < DEFAULT_MODEL.stat().st_size / 2
    for subcommand in ("mobile", "web"):
        assert PROGRAM.parse([subcommand, "--output", "x"])[1].model == SMALL_MODEL
        assert PROGRAM.parse([subcommand, "--output", "x", "--model", "full"])[1].model == DEFAULT_MODEL
