"""The commands of the three packages, as people start them."""

import importlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from runtime.command_line.program import run_command

ROOT = Path(__file__).parents[2]
PACKAGES = ("finetune", "export", "benchmarks")


def start(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=120,
        check=False,
        env=os.environ | environment,
    )


def test_file_names_that_are_not_utf8_are_printed_as_they_are(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    name = os.fsdecode(b"caf\xe9")
    assert run_command("finetune", lambda: print(name), interrupted="") == 0
    assert capfdbinary.readouterr().out == b"caf\xe9\n"


@pytest.mark.parametrize("package", PACKAGES)
def test_help_has_examples(package: str) -> None:
    result = start("-m", package, "--help")
    assert result.returncode == 0
    assert f"  python -m {package} --" in result.stdout


@pytest.mark.parametrize(
    "arguments",
    [
        ("export", "--checkpoint", "nowhere.pt", "--data", "{data}"),
        ("export", "--data", "nowhere"),
        ("export", "check", "nowhere.onnx"),
        ("benchmarks", "--models", "nowhere.onnx", "--data", "{data}"),
        ("benchmarks", "--models", "README.md", "--data", "{data}"),
        ("finetune", "--data", "{data}", "--weights", "README.md", "--output", "{out}"),
        ("finetune", "--data", "{data}", "--seed", "-1", "--output", "{out}"),
        ("finetune", "--data", "{data}", "--limit", "1", "--output", "{out}"),
    ],
    ids=lambda arguments: " ".join(arguments[:3]),
)
def test_an_expected_error_is_one_line(
    arguments: tuple[str, ...], dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(ROOT)
    package, *rest = (text.format(data=dataset, out=tmp_path / "out") for text in arguments)
    assert importlib.import_module(f"{package}.command_line").main(rest) == 1
    error = capsys.readouterr().err
    assert error.startswith(f"{package}: ")
    assert len(error.splitlines()) == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ("export", "mobile", "--qat", "1"),
        ("export", "--qat", "1", "mobile"),
        ("export", "--quantize", "int8", "mobile", "--output", "app"),
        ("export", "serve", "site", "--data", "data"),
        ("export", "--model", "model.onnx"),
        ("benchmarks", "engines", "--naive"),
        ("benchmarks", "--naive", "engines"),
    ],
    ids=" ".join,
)
def test_options_of_another_subcommand_are_refused(
    arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        importlib.import_module(f"{arguments[0]}.command_line").main(arguments[1:])
    assert caught.value.code == 2
    assert "usage: " in capsys.readouterr().err


def test_a_subcommand_after_options_is_explained(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        importlib.import_module("export.command_line").main(["--quantize", "int8", "mobile", "--output", "app"])
    assert "mobile must be the first argument" in capsys.readouterr().err


@pytest.mark.parametrize("package", PACKAGES)
def test_a_bare_install_names_the_missing_package(package: str) -> None:
    hidden = "import sys, runpy; sys.modules['tqdm'] = sys.modules['torch'] = sys.modules['onnx'] = None;"
    result = start("-c", f"{hidden} runpy.run_module('{package}', run_name='__main__')")
    assert result.returncode == 1
    assert "is not installed; run: " in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    ("module", "words", "expected"),
    [
        ("export", "export --quan", "--quantize"),
        ("export", "export mob", "mobile"),
        ("export", "export check --da", "--data"),
        ("benchmarks", "benchmarks eng", "engines"),
        ("finetune", "finetune --weig", "--weights"),
        ("runtime", "flower-infer --lis", "--list-devices"),
    ],
)
def test_the_shell_can_complete(module: str, words: str, expected: str, tmp_path: Path) -> None:
    """In the protocol of argcomplete, which the shell speaks."""
    pytest.importorskip("argcomplete")
    completions = tmp_path / "completions"
    start(
        "-m",
        module,
        _ARGCOMPLETE="1",
        COMP_LINE=words,
        COMP_POINT=str(len(words)),
        _ARGCOMPLETE_STDOUT_FILENAME=str(completions),
        _ARGCOMPLETE_IFS="\n",
    )
    assert expected in completions.read_text(encoding="utf-8").split()
