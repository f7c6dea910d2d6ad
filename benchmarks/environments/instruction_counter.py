"""QEMU with a plugin that counts the instructions of an emulated arm64 program. The plugin is compiled once."""

import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.environments.emulators import (
    EmulationError,
    Emulators,
    Processor,
    fetch_emulators,
    last_line,
    unpack_once,
)

SOURCE = Path(__file__).with_name("instruction_counter.c")
QEMU = ("qemu-user", "libcapstone4", "liburing2", "libnuma1", "libglib2.0-0", "libpcre2-8-0")
"""Only the QEMU that is linked dynamically takes plugins."""
LIBRARIES = Path("usr/lib/x86_64-linux-gnu")


@dataclass(frozen=True)
class InstructionCounter:
    """An emulated Python whose instructions are counted."""

    emulators: Emulators
    qemu: Path
    """Folder of the unpacked packages."""
    plugin: Path

    def count(
        self, processor: Processor, folders: Sequence[Path], arguments: Sequence[str], environment: Mapping[str, str]
    ) -> dict[str, int]:
        """Run Python with ``arguments`` and return the instructions up to each mark, and up to the end (``end``).

        Args:
            processor: an aarch64 one.
            folders: with further packages for the emulated Python.
            arguments: of Python.
            environment: further variables.

        Raises:
            EmulationError: the process failed.
        """
        qemu = [str(self.qemu / "usr" / "bin" / "qemu-aarch64"), "-U", "LD_LIBRARY_PATH"]
        with tempfile.TemporaryDirectory() as folder:
            counts = Path(folder, "counts")
            python = self.emulators.qemu_arguments(processor, arguments)
            command = [*qemu, "-plugin", f"{self.plugin},out={counts}", *python]
            variables = {
                **self.emulators.environment(processor, *folders),
                # For QEMU itself; it removes the variable before the emulated program starts.
                "LD_LIBRARY_PATH": str(self.qemu / LIBRARIES),
                **environment,
            }
            done = subprocess.run(command, env=variables, capture_output=True, text=True, check=False)
            if done.returncode or not counts.is_file():
                raise EmulationError(f"{processor.name}: the counted process failed: {last_line(done.stderr)}")
            lines = [line.split() for line in counts.read_text(encoding="ascii").splitlines()]
        return {mark: int(number) for mark, number in lines}


def fetch_counter(folder: Path) -> InstructionCounter:
    """Download what is not yet in ``folder``, and compile the plugin.

    Raises:
        EmulationError: this system is not Debian on x86-64, a download failed, or there is no C compiler.
    """
    emulators = fetch_emulators(folder)
    qemu, plugin = folder / "qemu-with-plugins", folder / "instruction-counter.so"
    unpack_once(qemu, QEMU)
    try:
        subprocess.run(
            ["cc", "-O2", "-shared", "-fPIC", "-o", str(plugin), str(SOURCE)], check=True, capture_output=True
        )
    except (OSError, subprocess.CalledProcessError):
        raise EmulationError("the plugin was not compiled; install a C compiler (Debian's package gcc)") from None
    return InstructionCounter(emulators, qemu.resolve(), plugin.resolve())
