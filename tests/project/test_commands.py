"""The three tools as processes of their own, as people start them."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TOOLS = ("finetune", "export", "benchmarks")


def start(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, cwd=ROOT, timeout=120)


@pytest.mark.parametrize("tool", TOOLS)
def test_help_has_examples(tool: str) -> None:
    result = start("-m", tool, "--help")
    assert result.returncode == 0
    assert f"  python -m {tool} --" in result.stdout


@pytest.mark.parametrize(
    "arguments",
    [
        ("export", "--checkpoint", "nowhere.pt", "--data", "{data}"),
        ("export", "--data", "nowhere"),
        ("benchmarks", "--models", "nowhere.onnx", "--data", "{data}"),
        ("benchmarks", "--models", "README.md", "--data", "{data}"),
        ("finetune", "--data", "{data}", "--weights", "README.md", "--output", "{out}"),
        ("finetune", "--data", "{data}", "--seed", "-1", "--output", "{out}"),
        ("finetune", "--data", "{data}", "--limit", "1", "--output", "{out}"),
    ],
    ids=lambda arguments: " ".join(arguments[:3]),
)
def test_what_goes_wrong_is_one_line(arguments: tuple[str, ...], dataset: Path, tmp_path: Path) -> None:
    result = start("-m", *(text.format(data=dataset, out=tmp_path / "out") for text in arguments))
    assert result.returncode == 1
    assert result.stderr.startswith(f"{arguments[0]}: ")
    assert len(result.stderr.splitlines()) == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("tool", TOOLS)
def test_a_bare_install_says_what_is_missing(tool: str) -> None:
    hidden = "import sys, runpy; sys.modules['tqdm'] = sys.modules['torch'] = None;"
    result = start("-c", f"{hidden} runpy.run_module('{tool}', run_name='__main__')")
    assert result.returncode == 1
    assert "is not installed; run: pip install" in result.stderr
    assert "Traceback" not in result.stderr
