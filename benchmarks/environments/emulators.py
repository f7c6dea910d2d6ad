"""Emulated processors: QEMU, a Python for each architecture, and the runtime's packages, downloaded once into a folder.

Nothing is installed on the system. apt-get and pip download Debian's packages and PyPI's wheels and check them against
signed or hashed indexes; this module unpacks them.
"""

import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from runtime.errors import FlowerError
from runtime.inference.optimised_form import CACHE_VARIABLE

QEMU = "qemu-user-static"
ARM_PYTHON = "3.11"
"""The version in Debian 12."""
ARM_PACKAGES = (
    f"python{ARM_PYTHON}-minimal", f"libpython{ARM_PYTHON}-minimal", f"libpython{ARM_PYTHON}-stdlib",
    "libc6", "libgcc-s1", "libstdc++6", "zlib1g", "libexpat1", "libffi8", "libbz2-1.0", "liblzma5", "libssl3",
)  # fmt: skip
WHEELS = ("onnxruntime==1.25.1", "numpy==2.2.6", "pillow", "flatbuffers", "protobuf", "packaging")
"""The runtime's packages. onnxruntime 1.28 to 1.32 crash on import under QEMU 7.2."""
MANYLINUX = ("2_28", "2_27", "2_17", "2014")
"""Platform tags of wheels that run on Debian 12, newest first."""


class EmulationError(FlowerError):
    """A processor cannot be emulated here, or gives wrong answers."""


@dataclass(frozen=True)
class Processor:
    """One processor that QEMU emulates."""

    name: str
    """For ``qemu -cpu``."""
    architecture: str
    description: str
    overflows: bool = False
    """Whether INT8 overflows with onnxruntime's default options. `runtime.inference.session` sets others."""


PROCESSORS = (
    Processor("cortex-a72", "aarch64", "Raspberry Pi 4: no dot product"),
    Processor("cortex-a76", "aarch64", "Raspberry Pi 5: dot product"),
    Processor("Haswell", "x86_64", "x86 with AVX2, no VNNI", overflows=True),
)


@dataclass(frozen=True)
class Emulators:
    """The downloaded emulators."""

    folder: Path

    def command(self, processor: Processor, arguments: Sequence[str]) -> list[str]:
        """Return the command that runs Python with ``arguments`` on ``processor``."""
        qemu = self.folder / "qemu" / "usr" / "bin" / f"qemu-{processor.architecture}-static"
        return [str(qemu), *self.qemu_arguments(processor, arguments)]

    def qemu_arguments(self, processor: Processor, arguments: Sequence[str]) -> list[str]:
        """Return the arguments with which any QEMU for the architecture runs Python with ``arguments``."""
        cpu = ["-cpu", processor.name]
        if processor.architecture == "aarch64":
            root = self.folder / "aarch64"
            return [*cpu, "-L", str(root), str(root / "usr" / "bin" / f"python{ARM_PYTHON}"), *arguments]
        return [*cpu, str(Path(sys.executable).resolve()), *arguments]

    def environment(self, processor: Processor, *folders: Path) -> Mapping[str, str]:
        """Return the environment variables for `command`.

        Args:
            processor: to emulate.
            folders: with further packages for the emulated Python.
        """
        packages = self.folder / f"packages-{processor.architecture}"
        return {
            "PYTHONPATH": ":".join(map(str, (packages, *folders))),
            "PYTHONNOUSERSITE": "1",
            "PATH": "/usr/bin:/bin",
            # Emulated processors show this machine's description, so they would share the optimised forms of models.
            CACHE_VARIABLE: "",
        }


def fetch_emulators(folder: Path) -> Emulators:
    """Download and unpack what is not yet in ``folder``.

    Raises:
        EmulationError: this system is not Debian on x86-64, or a download failed.
    """
    if sys.platform != "linux" or _output("dpkg", "--print-architecture").strip() != "amd64":
        raise EmulationError("emulation needs Debian 12 on x86-64, because it runs Debian's packages")
    folder.mkdir(parents=True, exist_ok=True)
    unpack_once(folder / "qemu", (QEMU,))
    _fill_once(folder / "aarch64", lambda place: _unpack_packages(place, "arm64", ARM_PACKAGES))
    host = f"{sys.version_info.major}.{sys.version_info.minor}"
    for architecture, python in (("aarch64", ARM_PYTHON), ("x86_64", host)):
        _fill_once(
            folder / f"packages-{architecture}",
            partial(_unpack_wheels, architecture=architecture, python=python, wheels=WHEELS),
        )
    return Emulators(folder)


def fetch_arm_wheel(emulators: Emulators, wheel: str) -> Path:
    """Download and unpack one more wheel for the emulated Python of arm64, and return its folder.

    Args:
        emulators: whose folder gets it.
        wheel: a requirement of pip with its version, for example ``ncnn==1.0.20261020``.

    Raises:
        EmulationError: the download failed.
    """
    place = emulators.folder / f"packages-aarch64-{wheel.replace('==', '-')}"
    _fill_once(place, partial(_unpack_wheels, architecture="aarch64", python=ARM_PYTHON, wheels=(wheel,)))
    return place


def unpack_once(place: Path, packages: Sequence[str]) -> None:
    """Download and unpack packages of Debian for this machine's processor into ``place``, unless it exists.

    Raises:
        EmulationError: a download failed.
    """
    _fill_once(place, lambda made: _unpack_packages(made, "amd64", packages))


def _fill_once(place: Path, fill: Callable[[Path], None]) -> None:
    """Fill the folder ``place`` unless it exists. If the process stops early, the folder does not exist."""
    if place.exists():
        return
    print(f"downloading {place.name}", file=sys.stderr, flush=True)
    with tempfile.TemporaryDirectory(dir=place.parent) as temporary:
        made = Path(temporary, "made")
        made.mkdir()
        fill(made)
        made.rename(place)


def _unpack_packages(place: Path, architecture: str, names: Sequence[str]) -> None:
    """Unpack Debian packages of any architecture. Their package index is separate from the system's."""
    with tempfile.TemporaryDirectory(dir=place.parent) as temporary:
        for folder in ("lists/partial", "archives/partial", "debs"):
            Path(temporary, folder).mkdir(parents=True)
        options = [
            f"-oAPT::Architecture={architecture}",
            f"-oAPT::Architectures={architecture}",
            f"-oDir::State::Lists={temporary}/lists",
            f"-oDir::Cache={temporary}",
            "-oAPT::Sandbox::User=root",
        ]
        _output("apt-get", "--quiet", *options, "update")
        _output("apt-get", "--quiet", *options, "download", *names, folder=Path(temporary, "debs"))
        for package in Path(temporary, "debs").glob("*.deb"):
            _output("dpkg", "--extract", str(package), str(place))


def _unpack_wheels(place: Path, architecture: str, python: str, wheels: Sequence[str]) -> None:
    """Unpack wheels, without what they depend on."""
    with tempfile.TemporaryDirectory(dir=place.parent) as temporary:
        platforms = [f"--platform=manylinux{tag if tag.isdigit() else '_' + tag}_{architecture}" for tag in MANYLINUX]
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", "download", "--no-deps"]
        pip += [f"--python-version={python}", "--only-binary=:all:", f"--dest={temporary}"]
        _output(*pip, *platforms, *wheels)
        for wheel in Path(temporary).glob("*.whl"):
            with zipfile.ZipFile(wheel) as archive:
                archive.extractall(place)


def last_line(errors: str) -> str:
    """Return the last line that a program wrote on standard error, which says why it failed."""
    return (errors.strip().splitlines() or ["no message"])[-1]


def _output(*command: str, folder: Path | None = None) -> str:
    """Run a command and return what it printed."""
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise EmulationError(f"{command[0]} was not found; emulation needs Debian 12 on x86-64") from None
    if done.returncode:
        raise EmulationError(f"{command[0]} failed: {last_line(done.stderr)}")
    return done.stdout
