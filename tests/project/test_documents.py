"""The documents: their figures are the reports', their commands and examples work, and their links lead somewhere."""

import ast
import hashlib
import importlib
import json
import re
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from export.files.manifest import read_manifest
from runtime import FlowerClassifier
from runtime.command_line.flower_infer import build_parser
from runtime.command_line.flower_infer import main as flower_infer
from runtime.inference.shipped_models import DEFAULT_MODEL, SHIPPED_MODELS

ROOT = Path(__file__).parents[2]
CARDS = {"full": DEFAULT_MODEL.with_name("MODEL_CARD.md"), "slim": DEFAULT_MODEL.with_name("MODEL_CARD-slim.md"),
         "tiny": DEFAULT_MODEL.with_name("MODEL_CARD-tiny.md")}  # fmt: skip
DOCUMENTS = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "CHANGELOG.md",
    *sorted((ROOT / "docs").glob("*.md")),
    *CARDS.values(),
]
NAMES = [str(path.relative_to(ROOT)) for path in DOCUMENTS]
TEXTS = {name: path.read_text(encoding="utf-8") for name, path in zip(NAMES, DOCUMENTS, strict=True)}
PACKAGES = ("finetune", "export", "benchmarks")
OURS = {*PACKAGES, "runtime", "flower_edge"}
OTHER_PROGRAMS = {"pip", "npm", "npx", "apt-get", "git", "curl", "jq", "cat", "python3", ".", "source", "eval",
                  "sha256sum", "pre-commit", "docker", "adb", "cd", "activate-global-python-argcomplete", "node",
                  "torchrun", "export", "sudo", "systemctl", "tensorboard", "xdg-open", "journalctl",
                  "openssl", "umask", "mosquitto_sub", "uname", "tee", "find"}  # fmt: skip
"""What the documents start besides this project's commands."""


def blocks(text: str, language: str) -> Iterator[str]:
    """The code blocks of a language in a Markdown text."""
    for match in re.finditer(rf"^```{language}\n(.*?)^```", text, re.M | re.S):
        yield match[1]


def commands(text: str) -> Iterator[list[str]]:
    """Every single command that the console blocks of a text show after ``$``, without redirections."""
    for block in blocks(text, "console"):
        joined = block.replace("\\\n", " ")
        for line in joined.splitlines():
            if line.startswith("$ "):
                words = shlex.split(line.removeprefix("$ "), comments=True)
                command: list[str] = []
                for word in [*words, "|"]:
                    if word in ("|", "&&", ">", ";", "<"):
                        if command:
                            yield command
                        command = []
                        if word == ">":
                            break
                    else:
                        command.append(word)


@pytest.mark.parametrize("name", NAMES)
def test_commands_are_understood(name: str) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M))
    for command in commands(TEXTS[name]):
        while "=" in command[0] and not command[0].startswith("-"):
            command = command[1:]  # a variable of the environment
        program = Path(command[0]).name or command[0]
        if program == "flower-infer":
            if "--version" not in command:
                build_parser().parse_args(command[1:])
        elif program in ("python", "torchrun") and "-m" in command:
            module, arguments = command[command.index("-m") + 1], command[command.index("-m") + 2 :]
            package = module.removeprefix("flower_edge.")
            if package in PACKAGES and "--help" not in arguments:
                importlib.import_module(f"{package}.command_line").PROGRAM.parse(arguments)
        elif program == "make":
            assert {word for word in command[1:] if "=" not in word} <= targets, command
        else:
            assert program in OTHER_PROGRAMS, command


@pytest.mark.parametrize("name", NAMES)
def test_python_examples_import_what_exists(name: str) -> None:
    for block in blocks(TEXTS[name], "python"):
        for node in ast.walk(ast.parse(block)):
            if (
                isinstance(node, ast.ImportFrom)
                and node.module
                and node.module.partition(".")[0] in (*PACKAGES, "runtime", "flower_edge")
            ):
                module = importlib.import_module(node.module)
                for alias in node.names:
                    assert hasattr(module, alias.name), f"{node.module}.{alias.name}"


@pytest.mark.parametrize("name", ["README.md", "docs/runtime.md"])
def test_python_examples_of_the_runtime_run(
    name: str, photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for other in ("rose.jpg", "flower.jpg", "tulip.jpg"):
        shutil.copy(photo, tmp_path / other)
    shutil.copy(DEFAULT_MODEL, tmp_path / "my-model.onnx")
    for block in blocks(TEXTS[name], "python"):
        exec(compile(block, name, "exec"), {"photos": ["rose.jpg", "missing.jpg"]})  # noqa: S102 (our own examples)


def test_the_command_of_the_readme_answers(photo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command, *_ = [command for command in commands(TEXTS["README.md"]) if command[0] == "flower-infer"]
    assert flower_infer([str(photo) if word == "photo.jpg" else word for word in command[1:]]) == 0
    assert "photo.jpg" in capsys.readouterr().out


def test_the_numbers_of_the_readme_are_the_reports() -> None:
    report = (ROOT / "benchmarks" / "report" / "report.md").read_text(encoding="utf-8").splitlines()
    rows = [line for line in TEXTS["README.md"].splitlines() if line.startswith(("| ONNX", "| PyTorch"))]
    assert rows
    assert set(rows) <= set(report)
    report = (ROOT / "benchmarks" / "report" / "unfamiliar.md").read_text(encoding="utf-8").splitlines()
    kinds = ("| test photographs", "| known flowers", "| other flowers", "| no flowers")
    rows = [line for line in TEXTS["README.md"].splitlines() if line.startswith(kinds)]
    assert len(rows) > len(kinds)
    assert set(rows) <= set(report)
    report = (ROOT / "benchmarks" / "report" / "engines.md").read_text(encoding="utf-8").splitlines()
    rows = [line for line in TEXTS["README.md"].splitlines() if line.startswith("| flowers-resnet50-")]
    assert len(rows) == 4
    assert set(rows) <= set(report)
    report = (ROOT / "benchmarks" / "report" / "compare.md").read_text(encoding="utf-8").splitlines()
    (section,) = re.findall(r"^## Three sizes\n(.*?)^## ", TEXTS["README.md"], re.M | re.S)
    rows = [line for line in section.splitlines() if line.startswith("| ")]
    assert len(rows) > 5
    assert set(rows) <= set(report)
    counted = json.loads((ROOT / "benchmarks/report/instructions.json").read_text(encoding="utf-8"))["answers"]
    for row in counted["rows"]:
        if row["processor"] == "cortex-a76":
            assert f"{row['command'] / 1e6:,.0f} million" in section


def test_the_numbers_of_training_are_the_reports() -> None:
    figures = json.loads((ROOT / "benchmarks/report/training.json").read_text(encoding="utf-8"))
    first, *others, soup = figures["seeds"]
    text = TEXTS["docs/training.md"]
    for row in (first, soup, figures["fast"]):
        for split in ("val", "test"):
            assert f"{100 * row[split]['top1']:.2f} (" in text
    for split in ("val", "test"):
        mean = sum(row[split]["top1"] for row in (first, *others)) / len((first, *others))
        assert f"{100 * mean:.2f} %" in text


def test_the_report_is_about_the_network_inside() -> None:
    digest = hashlib.sha256(DEFAULT_MODEL.read_bytes()).hexdigest()
    for report in ("report", "robustness", "unfamiliar"):
        assert digest in (ROOT / f"benchmarks/report/{report}.md").read_text(encoding="utf-8"), report


@pytest.mark.parametrize("name", SHIPPED_MODELS)
def test_the_model_card_describes_the_file_beside_it(name: str) -> None:
    card, content = CARDS[name].read_text(encoding="utf-8"), SHIPPED_MODELS[name].read_bytes()
    assert f"{len(content):,} bytes" in card
    assert hashlib.sha256(content).hexdigest() in card
    info = FlowerClassifier(name, device="cpu").info
    assert info.training["provenance"]["weights_sha256"] in card
    recipe = info.training["recipe"]
    if recipe["runs"] > 1:
        assert f"--runs {recipe['runs']}`" in card
        assert f"{recipe['runs']} runs of {recipe['epochs']} epochs" in " ".join(card.split())
    else:
        assert f"{recipe['epochs']} epochs" in " ".join(card.split())
    for value in (info.temperature, info.threshold, info.familiarity_threshold):
        assert f" {value:.3f}" in card
    low, high = info.familiarity["interval"]
    assert f"{info.familiarity['expected_named']} % ({low} to {high})" in card
    for split, figures in info.evaluation.items():
        row = next(line for line in card.splitlines() if line.startswith(f"| {split} "))
        for key in ("top1", "top5", "mean_per_class", "fp32_top1", "agreement_with_fp32", "named", "named_right"):
            assert f"{figures[key]:.2f}" in row


def test_the_manifest_beside_the_models_inside_names_them() -> None:
    assert read_manifest(DEFAULT_MODEL.parent) == {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in SHIPPED_MODELS.values()
    }


@pytest.mark.parametrize("name", NAMES)
def test_links_lead_somewhere(name: str) -> None:
    folder = (ROOT / name).parent
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", TEXTS[name]):
        assert target.startswith("https://") or (folder / target).exists(), target


@pytest.mark.parametrize("name", NAMES)
def test_anchors_are_headings(name: str) -> None:
    folder = (ROOT / name).parent
    for target, anchor in re.findall(r"\]\(([^)#:]*)#([^)]+)\)", TEXTS[name]):
        document = folder / target if target else ROOT / name
        headings = re.findall(r"^#+ (.*)$", document.read_text(encoding="utf-8"), re.M)
        slugs = {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
        assert anchor in slugs, f"{target}#{anchor}"
