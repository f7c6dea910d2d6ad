"""What pip installs: one top-level name, complete, and independent of the checkout."""

import importlib.util
import re
import subprocess
import sys
import tarfile
import tomllib
import venv
import zipfile
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("runtime", "finetune", "export", "benchmarks")
BLOCK_CHECKOUT_NAMES = f"""\
import sys
sys.meta_path[:] = [finder for finder in sys.meta_path if "Editable" not in repr(finder)]
class Block:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {PACKAGES}:
            raise ImportError(name + " is imported without the prefix flower_edge")
sys.meta_path.insert(0, Block())
"""


@pytest.fixture(scope="module")
def distributions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the sdist, and the wheel built from it; building them must not warn."""
    output = tmp_path_factory.mktemp("dist")
    source = tmp_path_factory.mktemp("source")
    tracked = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if tracked.returncode:
        pytest.skip("no git checkout")
    for name in filter(None, tracked.stdout.split("\0")):
        if (ROOT / name).is_file():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).hardlink_to(ROOT / name)
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(output), str(source)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    lines = (done.stdout + done.stderr).splitlines()
    # PYTHONDONTWRITEBYTECODE, where it is set, makes setuptools say that it compiles nothing.
    warnings = [line for line in lines if re.search(r"warning|deprecat", line, re.I) and "byte-compiling" not in line]
    assert warnings == []
    return output


@pytest.fixture(scope="module")
def unpacked(distributions: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The content of the wheel, as pip lays it out."""
    folder = tmp_path_factory.mktemp("site")
    with zipfile.ZipFile(next(distributions.glob("*.whl"))) as wheel:
        wheel.extractall(folder)  # noqa: S202 (this test built it)
    return folder


def run_installed(site: Path, code: str, folder: Path) -> str:
    """Run Python code that finds the unpacked wheel and no package under its name in the checkout."""
    code = f"{BLOCK_CHECKOUT_NAMES}\nsys.path.insert(0, {str(site)!r})\n{code}"
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def test_the_wheel_has_one_top_level_name(unpacked: Path) -> None:
    names = {path.name for path in unpacked.iterdir() if not path.name.endswith(".dist-info")}
    assert names == {"flower_edge"}
    assert {path.name for path in (unpacked / "flower_edge").iterdir()} == {*PACKAGES, "__init__.py", "py.typed"}


def test_the_wheel_holds_every_module_and_data_file(unpacked: Path) -> None:
    tracked = subprocess.run(["git", "ls-files", *PACKAGES], cwd=ROOT, capture_output=True, text=True, check=True)
    expected = {
        name
        for name in tracked.stdout.splitlines()
        if not name.startswith("benchmarks/report/") and (ROOT / name).is_file()
    }
    found = {
        path.relative_to(unpacked / "flower_edge").as_posix()
        for package in PACKAGES
        for path in (unpacked / "flower_edge" / package).rglob("*")
        if path.is_file()
    }
    assert found == expected


def test_the_installed_classifier_answers(unpacked: Path, photo: Path, tmp_path: Path) -> None:
    code = f"from flower_edge import FlowerClassifier; print(len(FlowerClassifier().predict({str(photo)!r})))"
    assert run_installed(unpacked, code, tmp_path) == "5\n"


@pytest.mark.parametrize("package", ["finetune", "export", "benchmarks"])
def test_installed_commands_name_themselves(package: str, unpacked: Path, tmp_path: Path) -> None:
    code = f"import runpy; sys.argv[1:] = ['--help']; runpy.run_module('flower_edge.{package}', run_name='__main__')"
    help_text = run_installed(unpacked, code, tmp_path)
    assert f"usage: python -m flower_edge.{package} " in help_text
    assert f"  python -m flower_edge.{package} --" in help_text
    assert f"python -m {package}" not in help_text


def test_every_installed_module_can_be_imported(unpacked: Path, tmp_path: Path) -> None:
    code = """
import importlib, pkgutil
import flower_edge
optional = {"openvino", "playwright"}
for module in pkgutil.walk_packages(flower_edge.__path__, "flower_edge."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
print("all")
"""
    assert run_installed(unpacked, code, tmp_path).splitlines()[-1] == "all"


def test_the_sdist_holds_what_its_tests_need(distributions: Path) -> None:
    with tarfile.open(next(distributions.glob("*.tar.gz"))) as sdist:
        names = {name.partition("/")[2] for name in sdist.getnames()}
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True)
    needed = {name for name in tracked.stdout.splitlines() if not name.startswith(".") and (ROOT / name).is_file()}
    assert needed - names == set()


def test_the_oldest_versions_are_those_of_the_metadata() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    allowed = dict(text.split(">=") for text in project["dependencies"])
    lines = (ROOT / "tests/runtime/oldest.txt").read_text(encoding="utf-8").splitlines()
    tested = dict(line.split("==") for line in lines if not line.startswith("#"))
    assert {name: version.removesuffix(".0") for name, version in tested.items()} == allowed


def setup_module_of_the_project() -> ModuleType:
    """setup.py without its call of `setup`."""
    spec = importlib.util.spec_from_loader("project_setup", loader=None)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    source = (ROOT / "setup.py").read_text(encoding="utf-8")
    exec(source[: source.rindex("\nsetup(")], module.__dict__)  # noqa: S102 (the project's own file)
    return module


def test_the_build_prefixes_import_statements_and_nothing_else() -> None:
    prefixed = setup_module_of_the_project().with_installed_names(
        "import runtime  # runtime\nimport runtimes\nfrom runtime import errors\n"
        "from export.files import x as runtime\n"
        "def f():\n    from finetune import (\n        train,\n    )\nTEXT = 'from runtime import errors'\n"
    )
    assert prefixed == (
        "from flower_edge import runtime  # runtime\nimport runtimes\nfrom flower_edge.runtime import errors\n"
        "from flower_edge.export.files import x as runtime\n"
        "def f():\n    from flower_edge.finetune import (\n        train,\n    )\nTEXT = 'from runtime import errors'\n"
    )


@pytest.mark.slow
@pytest.mark.parametrize("pattern", ["*.whl", "*.tar.gz"])
def test_a_fresh_environment_can_install_it(pattern: str, distributions: Path, photo: Path, tmp_path: Path) -> None:
    """Needs the package index, for numpy, Pillow and onnxruntime."""
    environment = tmp_path / "environment"
    venv.create(environment, with_pip=True)
    python = environment / "bin" / "python"
    archive = next(distributions.glob(pattern))
    subprocess.run([python, "-m", "pip", "install", "--quiet", str(archive)], check=True, cwd=tmp_path)
    answer = subprocess.run(
        [environment / "bin" / "flower-infer", "--top", "1", str(photo)], check=True, capture_output=True, cwd=tmp_path
    )
    assert photo.name in answer.stdout.decode()
    bare = subprocess.run(
        [python, "-m", "flower_edge.export", "--data", "data"],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    assert "pip install 'flower-edge[" in bare.stderr
