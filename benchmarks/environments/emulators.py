"""Emulated processors: QEMU, a Python for each architecture, and the runtime's packages, fetched once into a folder.

Nothing is installed: Debian's packages and PyPI's wheels are downloaded by apt-get and pip, which check them against
their signed or hashed indexes, and unpacked.
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

QEMU = "qemu-user-static"
ARM_PYTHON = "3.11"
"""Of Debian 12."""
ARM_PACKAGES = (
    f"python{ARM_PYTHON}-minimal", f"libpython{ARM_PYTHON}-minimal", f"libpython{ARM_PYTHON}-stdlib",
    "libc6", "libgcc-s1", "libstdc++6", "zlib1g", "libexpat1", "libffi8", "libbz2-1.0", "liblzma5", "libssl3",
)  # fmt: skip
WHEELS = ("onnxruntime==1.25.1", "numpy==2.2.6", "pillow", "flatbuffers", "protobuf", "packaging")
"""The runtime's packages. onnxruntime 1.28 to 1.32 crash on import under QEMU 7.2."""
GLIBCS = ("2_28", "2_27", "2_17", "2014")


class EmulationError(FlowerError):
    """A processor cannot be emulated here."""


@dataclass(frozen=True)
class Processor:
    """One processor that QEMU emulates."""

    name: str
    """For ``qemu -cpu``."""
    architecture: str
    description: str
    overflows: bool = False
    """Whether onnxruntime's INT8 kernels for it overflow unless told otherwise, as `runtime.inference.session` does."""


PROCESSORS = (
    Processor("cortex-a72", "aarch64", "Raspberry Pi 4: no dot product"),
    Processor("cortex-a76", "aarch64", "Raspberry Pi 5: dot product"),
    Processor("Haswell", "x86_64", "x86 with AVX2, no VNNI", overflows=True),
)


@dataclass(frozen=True)
class Emulators:
    """What was fetched."""

    folder: Path

    def command(self, processor: Processor, arguments: Sequence[str]) -> list[str]:
        """The command that runs Python with ``arguments`` on ``processor``."""
        qemu = [str(self.folder / "qemu" / "usr" / "bin" / f"qemu-{processor.architecture}-static")]
        qemu += ["-cpu", processor.name]
        if processor.architecture == "aarch64":
            root = self.folder / "aarch64"
            return [*qemu, "-L", str(root), str(root / "usr" / "bin" / f"python{ARM_PYTHON}"), *arguments]
        return [*qemu, str(Path(sys.executable).resolve()), *arguments]

    def environment(self, processor: Processor, repository: Path) -> Mapping[str, str]:
        """The environment for `command`."""
        packages = self.folder / f"packages-{processor.architecture}"
        return {"PYTHONPATH": f"{packages}:{repository}", "PYTHONNOUSERSITE": "1", "PATH": "/usr/bin:/bin"}


def fetch(folder: Path) -> Emulators:
    """Download and unpack what is not yet in ``folder``.

    Raises:
        EmulationError: not a Debian on x86-64, or a download failed.
    """
    if sys.platform != "linux" or _output("dpkg", "--print-architecture").strip() != "amd64":
        raise EmulationError("emulation needs Debian 12 on x86-64: its packages are what runs in the emulator")
    folder.mkdir(parents=True, exist_ok=True)
    _once(folder / "qemu", lambda place: _unpack_packages(place, "amd64", (QEMU,)))
    _once(folder / "aarch64", lambda place: _unpack_packages(place, "arm64", ARM_PACKAGES))
    host = f"{sys.version_info.major}.{sys.version_info.minor}"
    for architecture, python in (("aarch64", ARM_PYTHON), ("x86_64", host)):
        _once(folder / f"packages-{architecture}", partial(_unpack_wheels, architecture=architecture, python=python))
    return Emulators(folder)


def _once(place: Path, fill: Callable[[Path], None]) -> None:
    """Fill a folder that is not there yet; a run that is broken off leaves none."""
    if place.exists():
        return
    print(f"fetching {place.name}", file=sys.stderr, flush=True)
    with tempfile.TemporaryDirectory(dir=place.parent) as temporary:
        made = Path(temporary, "made")
        made.mkdir()
        fill(made)
        made.rename(place)


def _unpack_packages(place: Path, architecture: str, names: Sequence[str]) -> None:
    """Debian packages of any architecture, by a package index of their own: the system's is left alone."""
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


def _unpack_wheels(place: Path, architecture: str, python: str) -> None:
    with tempfile.TemporaryDirectory(dir=place.parent) as temporary:
        platforms = [
            f"--platform=manylinux{glibc if glibc.isdigit() else '_' + glibc}_{architecture}" for glibc in GLIBCS
        ]
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", "download", "--no-deps"]
        pip += [f"--python-version={python}", "--only-binary=:all:", f"--dest={temporary}"]
        _output(*pip, *platforms, *WHEELS)
        for wheel in Path(temporary).glob("*.whl"):
            with zipfile.ZipFile(wheel) as archive:
                archive.extractall(place)


def _output(*command: str, folder: Path | None = None) -> str:
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    except FileNotFoundError:
        raise EmulationError(f"{command[0]}: not found; emulation needs Debian 12 on x86-64") from None
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise EmulationError(f"{command[0]} failed: {last}")
    return done.stdout
