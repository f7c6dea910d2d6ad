"""The device, the precision and the worker processes of a training run."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import nn

from finetune.run.processes import SINGLE_PROCESS, Processes
from runtime.errors import FlowerError
from runtime.inference.cpu_threads import default_threads

DEVICES = ("auto", "cpu", "cuda")
PRECISIONS = ("auto", "fp32", "bf16")
MAX_WORKERS = 16
"""Most workers that are chosen automatically."""
MAX_REQUESTED_WORKERS = 256


@dataclass(frozen=True)
class Hardware:
    """Where and in which precision a run computes."""

    device: torch.device
    bfloat16: bool
    """Whether matrix operations are computed in bfloat16 (autocast)."""
    workers: int
    """Processes that decode and augment photographs."""

    @classmethod
    def detect(
        cls,
        device: str = "auto",
        precision: str = "auto",
        workers: int | None = None,
        processes: Processes = SINGLE_PROCESS,
    ) -> "Hardware":
        """Choose device, precision and number of workers.

        Args:
            device: one of `DEVICES`; ``auto`` is CUDA if torch finds it.
            precision: one of `PRECISIONS`; ``auto`` is the faster one on this device.
            workers: processes that load photographs; None: one less than the cores of this process, up to
                `MAX_WORKERS`.
            processes: the processes that train together, which share the cores.

        Raises:
            FlowerError: CUDA was requested and is missing, or an argument is invalid.
        """
        if device not in DEVICES or precision not in PRECISIONS:
            raise FlowerError(
                f"device must be one of {', '.join(DEVICES)}, and precision one of {', '.join(PRECISIONS)}; "
                f"not {device!r} and {precision!r}"
            )
        if device == "cuda" and not torch.cuda.is_available():
            raise FlowerError("torch finds no CUDA device; install a CUDA build of torch, or use --device cpu")
        if device == "auto":
            device = "cuda" if torch.cuda.is_available() else "cpu"
        bfloat16_is_faster = _cuda_has_bfloat16() if device == "cuda" else _bfloat16_is_faster_on_this_cpu()
        cores = max(1, default_threads() // processes.count)
        return cls(
            device=processes.device(device),
            bfloat16=bfloat16_is_faster if precision == "auto" else precision == "bf16",
            workers=min(MAX_WORKERS, max(1, cores - 1)) if workers is None else workers,
        )

    def place(self, network: nn.Module) -> None:
        """Move ``network`` to the device. Its weights become channels-last, like its input, which is faster."""
        network.to(self.device)
        for parameter in network.parameters():
            if parameter.ndim == 4:
                parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)

    def autocast(self) -> torch.autocast:
        """Return a context in which matrix operations have this hardware's precision."""
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.bfloat16)

    @property
    def precision(self) -> str:
        """The precision of matrix operations: ``bfloat16`` or ``float32``."""
        return "bfloat16" if self.bfloat16 else "float32"

    def describe(self) -> str:
        """Return, for example, ``cpu, bfloat16, 1 worker``."""
        return f"{self.device.type}, {self.precision}, {self.workers} worker{'s' if self.workers != 1 else ''}"


@contextmanager
def explain_memory_errors() -> Iterator[None]:
    """Turn torch's errors about too little memory into a `FlowerError` with advice."""
    try:
        yield
    except RuntimeError as error:
        if "out of memory" in str(error) or "can't allocate memory" in str(error):
            raise FlowerError(
                "not enough memory; continue with --resume, or start again with a smaller --batch-size"
            ) from None
        if "DataLoader worker" in str(error):
            raise FlowerError(
                "a process that loads photos was killed: not enough memory, or in a container not enough shared memory "
                "(docker run --shm-size=2g); continue with --resume, if necessary with --workers 0"
            ) from None
        raise


def _bfloat16_is_faster_on_this_cpu() -> bool:
    """Return whether bfloat16 is faster than float32 on this CPU.

    Emulated bfloat16 is slower. Intel's AVX-512 BF16 has the throughput of float32, half of AMD's, and the conversions
    take time in addition. So without AMX, which virtual machines may hide, float32 is faster on Intel.
    """
    capabilities = torch.cpu.get_capabilities()
    if any(capabilities.get(name) for name in ("amx_bf16", "bf16")):
        return True
    return bool(capabilities.get("avx512_bf16")) and not str(capabilities.get("cpu_name")).startswith("Intel")


def _cuda_has_bfloat16() -> bool:
    return bool(torch.cuda.is_bf16_supported(including_emulation=False))
