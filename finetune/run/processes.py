"""Several processes that train one network: started by ``torchrun``, connected by Hugging Face Accelerate.

Each process computes an equal part of every batch, and all have the same weights after each step. Only the main process
writes files and reports. A single process does not need Accelerate.
"""

import os
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from finetune.recipe import Recipe
from runtime.errors import FlowerError


@dataclass(frozen=True)
class Processes:
    """This process, and its connection to the others."""

    rank: int = 0
    """Number of this process, from 0."""
    count: int = 1
    accelerator: Any = None
    """`accelerate.Accelerator` if there are several processes."""

    @classmethod
    def connect(cls, device: str) -> "Processes":
        """Connect to the other processes that ``torchrun`` started, if there are any.

        Args:
            device: ``auto``, ``cpu`` or ``cuda``.

        Raises:
            FlowerError: Accelerate is not installed.
        """
        if int(os.environ.get("WORLD_SIZE", "1")) == 1:
            return cls()
        try:
            from accelerate import Accelerator
            from accelerate.utils import DistributedDataParallelKwargs
        except ModuleNotFoundError:
            raise FlowerError(
                "training in several processes needs Accelerate: pip install 'flower-edge[distributed]'"
            ) from None
        # With gradual unfreezing, some parameters have no gradient in the first epochs. Buffers are BatchNorm's
        # statistics: `average_buffers` makes them equal, where a broadcast would drop all but the main process's.
        settings = DistributedDataParallelKwargs(find_unused_parameters=True, broadcast_buffers=False)
        on_cpu = device == "cpu" or not torch.cuda.is_available()
        accelerator = Accelerator(cpu=on_cpu, kwargs_handlers=[settings])
        return cls(accelerator.process_index, accelerator.num_processes, accelerator)

    @property
    def is_main(self) -> bool:
        """Whether this is the process that writes files and reports."""
        return self.rank == 0

    def device(self, kind: str) -> torch.device:
        """Return the device of this process. ``kind`` is ``cpu`` or ``cuda``."""
        if self.accelerator is None:
            return torch.device(kind)
        device: torch.device = self.accelerator.device
        return device

    def check_batch_size(self, recipe: Recipe, images: int) -> None:
        """Check that each batch of ``recipe`` can be divided evenly.

        Args:
            recipe: of the run.
            images: number of training photographs.

        Raises:
            FlowerError: it cannot be divided, or there are fewer photographs than one batch.
        """
        if self.count == 1:
            return
        if recipe.batch_size % (2 * self.count):
            raise FlowerError(
                f"--batch-size {recipe.batch_size} is the size for all processes together; it must be a multiple of "
                f"{2 * self.count} for {self.count} processes, because MixUp works on pairs"
            )
        if images < recipe.batch_size:
            raise FlowerError(
                f"{images} training photographs are fewer than one batch of {recipe.batch_size}; "
                "use a smaller --batch-size"
            )

    def shard(self, batch: list[int]) -> list[int]:
        """Return this process's part of one batch."""
        size = len(batch) // self.count
        return batch if self.count == 1 else batch[self.rank * size : (self.rank + 1) * size]

    def wrap_network(self, network: nn.Module, recipe: Recipe) -> nn.Module:
        """Return ``network`` wrapped so that its gradients are the mean over all processes.

        On CUDA, BatchNorm uses the statistics of the whole batch. torch cannot do this on CPUs; there BatchNorm uses
        the statistics of each process's part, unless the recipe freezes BatchNorm; `average_buffers` joins them.
        """
        if self.accelerator is None:
            return network
        if self.accelerator.device.type == "cuda" and recipe.batchnorm == "train":
            network = nn.SyncBatchNorm.convert_sync_batchnorm(network)  # type: ignore[no-untyped-call]  # not annotated in torch
        wrapped: nn.Module = self.accelerator.prepare_model(network)
        return wrapped

    def all_reduce_sum(self, values: np.ndarray) -> np.ndarray:
        """Return the sum of ``values`` (float64) over all processes, in each process."""
        if self.accelerator is None:
            return values
        summed: torch.Tensor = self.accelerator.reduce(torch.from_numpy(values).to(self.accelerator.device), "sum")
        return summed.cpu().numpy()

    def broadcast_parameters(self, module: nn.Module) -> None:
        """Replace the parameters of ``module``, in each process, by those of the main process."""
        if self.accelerator is not None:
            from accelerate.utils import broadcast

            with torch.no_grad():
                for parameter in module.parameters():
                    parameter.copy_(broadcast(parameter.detach().clone(), from_process=0))

    def average_buffers(self, module: nn.Module) -> None:
        """Replace the statistics of BatchNorm in ``module``, in each process, by their mean over all processes."""
        if self.accelerator is None:
            return
        buffers = [buffer for buffer in module.buffers() if buffer.is_floating_point()]
        # In float64 the mean of equal float32 numbers is that number, so frozen stages do not change.
        values = torch.cat([buffer.flatten().double() for buffer in buffers]).cpu().numpy()
        mean = torch.from_numpy(self.all_reduce_sum(values) / self.count)
        with torch.no_grad():
            parts = torch.split(mean, [buffer.numel() for buffer in buffers])
            for buffer, part in zip(buffers, parts, strict=True):
                buffer.copy_(part.view_as(buffer))

    def wait_for_all(self) -> None:
        """Wait until all processes have reached this call."""
        if self.accelerator is not None:
            self.accelerator.wait_for_everyone()


SINGLE_PROCESS = Processes()
