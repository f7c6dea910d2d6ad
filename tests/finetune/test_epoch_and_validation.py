"""One epoch and one validation: what they wait for, and what they hold in memory."""

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from finetune.data.dataset import read_split
from finetune.network.photo_network import PhotoNetwork, set_trainable
from finetune.recipe import Recipe
from finetune.run.hardware import Hardware
from finetune.run.training_run import TrainingRun
from finetune.run.training_state import new_state
from finetune.training.epoch import TrainingError, train_epoch
from finetune.training.validation import Validation
from runtime.photos.preprocessing import Preprocessing

pytestmark = pytest.mark.usefixtures("small_network")


def make_run(dataset: Path, output: Path, *, cache_bytes: int = 0) -> TrainingRun:
    return TrainingRun(
        Recipe(size=64, final_size=64, batch_size=4, freeze=0),
        Preprocessing(64),
        read_split(dataset, "train"),
        read_split(dataset, "val"),
        output,
        {"train_sha256": "of train", "val_sha256": "of val"},
        {},
        Hardware.detect("cpu", "fp32", 0),
        cache_bytes=cache_bytes,
        report=lambda _: None,
    )


class TransferCounter(TorchDispatchMode):  # type: ignore[no-untyped-call]  # not annotated in torch
    """Counts the numbers that are fetched from tensors: on a GPU, each waits for all computations before it."""

    count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        # Not whole numbers: torch's average of the weights looks at its number of steps, which is on the CPU.
        self.count += func is torch.ops.aten._local_scalar_dense.default and args[0].is_floating_point()
        return func(*args, **(kwargs or {}))


def train_with_infinity_in(
    bad_step: int | None, dataset: Path, output: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[dict[str, Any], int]:
    """Train for an epoch of six steps as on a GPU, and return its record and the number of transfers."""
    monkeypatch.setattr("finetune.training.epoch.steps_between_checks", lambda _: 50)
    run = make_run(dataset, output)
    state = new_state(run, PhotoNetwork(4))
    set_trainable(state.network, 0)

    def epoch(_: int) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        random = torch.Generator().manual_seed(0)
        for step in range(6):
            images = torch.rand((4, 64, 64, 3), generator=random) * 255
            yield images * float("inf") if step == bad_step else images, torch.arange(4)

    batches: Any = SimpleNamespace(epoch=epoch)
    counter = TransferCounter()  # type: ignore[no-untyped-call]  # as above
    with counter:
        record = train_epoch(run, state, state.network, batches, 0)
    return record, counter.count


def test_a_device_that_computes_ahead_is_not_waited_for_in_every_step(
    dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record, transfers = train_with_infinity_in(None, dataset, tmp_path, monkeypatch)
    assert record["train_loss"] > 0
    assert transfers <= 2
    with pytest.raises(TrainingError, match="the loss became nan in epoch 1, step 3"):
        train_with_infinity_in(2, dataset, tmp_path, monkeypatch)


@pytest.mark.parametrize(
    ("cache_bytes", "total"),
    [(0, 24), (2**18, 19), (2**30, 12)],
    ids=["no cache", "one batch in the cache", "all in the cache"],
)
def test_validation_reads_its_photographs_batch_by_batch(
    cache_bytes: int, total: int, dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The pixels of a hundred thousand photographs are 15 GB."""
    monkeypatch.setattr("finetune.training.validation.BATCH", 5)
    decoded = 0
    rule = Preprocessing.__call__

    def count(self: Preprocessing, photo: Any) -> np.ndarray:
        nonlocal decoded
        decoded += 1
        return rule(self, photo)

    monkeypatch.setattr(Preprocessing, "__call__", count)
    run = make_run(dataset, tmp_path, cache_bytes=cache_bytes)
    assert run.val is not None
    network = PhotoNetwork(4).eval()
    validation = Validation(run, run.val, network)
    before: list[int] = []
    forward = PhotoNetwork.forward

    def record_decoded(self: PhotoNetwork, image: torch.Tensor, first_stage: int = 0) -> torch.Tensor:
        before.append(decoded)
        return forward(self, image, first_stage)

    monkeypatch.setattr(PhotoNetwork, "forward", record_decoded)
    first, second = validation.predict(network), validation.predict(network)
    assert np.array_equal(first, second)
    pixels = np.stack([rule(run.preprocessing, path) for path in run.val.paths])
    with torch.no_grad():
        assert np.allclose(network(torch.from_numpy(pixels)).numpy(), first, atol=1e-4)
    # The batch that is computed and the following one are decoded, but never all twelve photographs at first.
    assert before[0] <= 10
    assert decoded == total
