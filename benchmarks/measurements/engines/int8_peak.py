"""How many INT8 multiply-accumulates the processor executes in a second: the roof that no network can exceed.

S. Williams et al., "Roofline: an insightful visual performance model for multicore architectures", CACM 52, 2009. The
roof is measured with a small C program, because the clock under vector instructions is not known beforehand.
"""

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from runtime.errors import FlowerError

SOURCE = Path(__file__).with_name("int8_peak.c")
SECONDS = 0.5
"""Of one measurement."""


@dataclass(frozen=True)
class Instruction:
    """An instruction that multiplies and adds bytes."""

    words: str
    feature: str
    """Its name in ``/proc/cpuinfo``."""
    options: tuple[str, ...]
    """Of the compiler."""


INSTRUCTIONS = (
    Instruction("vpdpbusd on 512 bits (AVX-512 VNNI)", "avx512_vnni", ("-mavx512f", "-mavx512vnni")),
    Instruction("vpdpbusd on 256 bits (AVX-VNNI)", "avx_vnni", ("-mavx2", "-mavxvnni")),
    Instruction("sdot on 128 bits (Arm's dot product)", "asimddp", ("-march=armv8.2-a+dotprod",)),
)
"""The widest first. AMX and i8mm, which multiply matrices, are not among them."""


@dataclass(frozen=True)
class PeakProgram:
    """The compiled program."""

    path: Path
    instruction: Instruction

    def measure(self, threads: int) -> float:
        """Return multiply-accumulates per second of ``threads`` threads together.

        Raises:
            FlowerError: the program failed.
        """
        done = subprocess.run([str(self.path), str(threads), str(SECONDS)], capture_output=True, text=True, check=False)
        if done.returncode:
            raise FlowerError(f"the measurement of the processor's peak ended with status {done.returncode}")
        return float(done.stdout)


def choose_instruction(features: Sequence[str]) -> Instruction | None:
    """Return the widest instruction of a processor, or None.

    Args:
        features: as in `benchmarks.core.machine.describe_machine`.
    """
    return next((instruction for instruction in INSTRUCTIONS if instruction.feature in features), None)


def compile_program(folder: Path, features: Sequence[str], compiler: str = "cc") -> PeakProgram:
    """Compile the program for this processor.

    Args:
        folder: for the program.
        features: as in `benchmarks.core.machine.describe_machine`.
        compiler: its command.

    Raises:
        FlowerError: the processor has none of the instructions, or there is no compiler that knows them.
    """
    instruction = choose_instruction(features)
    if instruction is None:
        raise FlowerError("this processor has no instruction for INT8 that the program knows")
    path = folder / "int8_peak"
    command = [compiler, "-O3", "-pthread", *instruction.options, "-o", str(path), str(SOURCE)]
    try:
        subprocess.run(command, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        raise FlowerError(
            f"no C compiler for {instruction.words} was found; install one (Debian's package gcc)"
        ) from None
    return PeakProgram(path.resolve(), instruction)
