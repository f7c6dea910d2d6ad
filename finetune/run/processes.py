"""Several processes training one network: started by ``torchrun``, joined by Hugging Face Accelerate.

Every process takes an equal part of each batch and has the same weights after each step; the first alone writes and
prints. Run alone, a process needs nothing of this and Accelerate need not be installed.
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
    """This process among those that train together."""

    rank: int = 0
    """From 0 up."""
    count: int = 1
    accelerator: Any = None
    """`accelerate.Accelerator` where there is more than one process."""

    @classmethod
    def join(cls, device: str) -> "Processes":
        """Meet the others that ``torchrun`` started. ``device``: ``auto``, ``cpu`` or ``cuda``."""
        if int(os.environ.get("WORLD_SIZE", "1")) == 1:
            return cls()
        try:
            from accelerate import Accelerator
            from accelerate.utils import DistributedDataParallelKwargs
        except ModuleNotFoundError:
            raise FlowerError(
                "training in several processes needs Accelerate: pip install 'flower-edge[distributed]'"
            ) from None
        # While stages wait for their turn to join the training, their parameters have no gradient.
        waits = DistributedDataParallelKwargs(find_unused_parameters=True)
        on_cpu = device == "cpu" or not torch.cuda.is_available()
        accelerator = Accelerator(cpu=on_cpu, kwargs_handlers=[waits])
        return cls(accelerator.process_index, accelerator.num_processes, accelerator)

    @property
    def is_first(self) -> bool:
        """Whether this is the process that writes and prints."""
        return self.rank == 0

    def device(self, kind: str) -> torch.device:
        """This process's own device of ``kind`` (``cpu`` or ``cuda``)."""
        return torch.device(kind) if self.accelerator is None else self.accelerator.device

    def check(self, recipe: Recipe, images: int) -> None:
        """Raise `FlowerError` if ``recipe`` cannot be shared out evenly."""
        if self.count == 1:
            return
        if recipe.batch_size % (2 * self.count):
            raise FlowerError(
                f"--batch-size {recipe.batch_size}: it is that of all processes together, and must be a multiple of "
                f"{2 * self.count} for {self.count} of them (MixUp works on pairs)"
            )
        if images < recipe.batch_size:
            raise FlowerError(f"{images} training photographs are fewer than one batch of {recipe.batch_size}")

    def share(self, batch: list[int]) -> list[int]:
        """This process's part of one batch."""
        size = len(batch) // self.count
        return batch if self.count == 1 else batch[self.rank * size : (self.rank + 1) * size]

    def wrap(self, network: nn.Module, recipe: Recipe) -> nn.Module:
        """``network`` so that its gradients are the mean over all processes.

        BatchNorm sees the whole batch where torch can do that, which is on CUDA. On CPUs its statistics are of each
        process's own part, unless the recipe keeps BatchNorm frozen.
        """
        if self.accelerator is None:
            return network
        if self.accelerator.device.type == "cuda" and recipe.batchnorm == "train":
            network = nn.SyncBatchNorm.convert_sync_batchnorm(network)
        return self.accelerator.prepare_model(network)

    def sum(self, values: np.ndarray) -> np.ndarray:
        """The sum of ``values`` (float64) over all processes, in each of them."""
        if self.accelerator is None:
            return values
        return self.accelerator.reduce(torch.from_numpy(values).to(self.accelerator.device), "sum").cpu().numpy()

    def agree(self, module: nn.Module) -> None:
        """Give ``module`` the first process's parameters, in each of them."""
        if self.accelerator is not None:
            from accelerate.utils import broadcast

            with torch.no_grad():
                for parameter in module.parameters():
                    parameter.copy_(broadcast(parameter.detach().clone(), from_process=0))

    def wait(self) -> None:
        """Wait until all processes are here."""
        if self.accelerator is not None:
            self.accelerator.wait_for_everyone()


SINGLE_PROCESS = Processes()
