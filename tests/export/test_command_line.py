"""The command line of ``python -m export``: each subcommand has its own options only."""

import subprocess
import sys
from pathlib import Path

import pytest

import export
from export.command_line import PROGRAM, main
from runtime.command_line.program import EXIT_USAGE


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


@pytest.mark.parametrize("subcommand", ["serve", "metadata"])
def test_subcommand_does_not_import_torch(subcommand: str) -> None:
    code = (
        "import sys; from export.command_line import PROGRAM;"
        f"PROGRAM.subcommands[{subcommand!r}].load(); assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[2])


def test_python_interface_has_every_name_that_it_lists() -> None:
    for name in export.__all__:
        assert getattr(export, name).__doc__ if callable(getattr(export, name)) else getattr(export, name)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = export.nothing
