"""What this machine can do for training."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import nn

from finetune.run.processes import SINGLE_PROCESS, Processes
from runtime.errors import FlowerError
from runtime.inference.cpu_threads import default_threads

MAX_WORKERS = 16


@dataclass(frozen=True)
class Hardware:
    """Where and how to compute."""

    device: torch.device
    bfloat16: bool
    """Autocast to bfloat16: where the GPU or CPU is faster with it."""
    workers: int
    """Processes that decode and augment."""

    @classmethod
    def detect(
        cls,
        device: str = "auto",
        precision: str = "auto",
        workers: int | None = None,
        processes: Processes = SINGLE_PROCESS,
    ) -> "Hardware":
        """The best this machine has, or what the caller insists on."""
        if device == "cuda" and not torch.cuda.is_available():
            raise FlowerError("torch finds no CUDA device; install a CUDA build of torch, or use --device cpu")
        if device == "auto":
            device = "cuda" if torch.cuda.is_available() else "cpu"
        gains = _cuda_has_bfloat16() if device == "cuda" else _cpu_gains_from_bfloat16()
        bfloat16 = gains if precision == "auto" else precision == "bf16"
        cores = max(1, default_threads() // processes.count)
        return cls(
            processes.device(device), bfloat16, min(MAX_WORKERS, max(1, cores - 1)) if workers is None else workers
        )

    def place(self, network: nn.Module) -> None:
        """Move ``network`` here, its weights channels-last: the layout its input has, and the faster one."""
        network.to(self.device)
        for parameter in network.parameters():
            if parameter.ndim == 4:
                parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)

    def autocast(self) -> torch.autocast:
        """A context in which matrix work runs in bfloat16, if this machine does that."""
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.bfloat16)

    @property
    def precision(self) -> str:
        """``bfloat16`` or ``float32``: what matrix work is done in."""
        return "bfloat16" if self.bfloat16 else "float32"

    def describe(self) -> str:
        """For example ``cpu, bfloat16, 1 worker``."""
        return f"{self.device.type}, {self.precision}, {self.workers} worker{'s' if self.workers != 1 else ''}"


@contextmanager
def memory_errors_explained() -> Iterator[None]:
    """What torch raises where memory does not suffice, as a `FlowerError` that says what to do."""
    try:
        yield
    except RuntimeError as error:
        if "out of memory" in str(error) or "can't allocate memory" in str(error):
            raise FlowerError(
                "memory does not suffice; go on with --resume, or begin with a smaller --batch-size"
            ) from None
        if "DataLoader worker" in str(error):
            raise FlowerError(
                "a process that loads photos was killed: memory does not suffice, or in a container shared memory "
                "(docker run --shm-size=2g); go on with --resume, or with --workers 0 as well"
            ) from None
        raise


def _cpu_gains_from_bfloat16() -> bool:
    """Whether bfloat16 is faster than float32 on this CPU.

    Emulated, it is slower. Intel's AVX-512 BF16 multiplies as many numbers at once as float32 does, half of AMD's, and
    the conversions come on top: without AMX, which virtual machines may hide, float32 is faster there.
    """
    capabilities = torch.cpu.get_capabilities()
    if any(capabilities.get(name) for name in ("amx_bf16", "bf16")):
        return True
    return bool(capabilities.get("avx512_bf16")) and not str(capabilities.get("cpu_name")).startswith("Intel")


def _cuda_has_bfloat16() -> bool:
    return torch.cuda.is_bf16_supported(including_emulation=False)
