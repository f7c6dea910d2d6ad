"""The start of a slim network: a finished checkpoint, of which the budget keeps a part."""

from collections.abc import Sequence
from dataclasses import dataclass

from finetune.data.split import Split
from finetune.network.checkpoint import Checkpoint
from finetune.network.photo_network import PhotoNetwork
from finetune.network.tensor_files import WeightsError
from finetune.slimming.budget import Budget, count_macs
from finetune.slimming.importance import measure_importance
from finetune.slimming.pruning import choose_channels, prune, widths_of
from runtime.photos.preprocessing import Preprocessing


@dataclass(frozen=True)
class SlimStart:
    """What a slim network is made from."""

    full: Checkpoint
    budget: Budget


def check_full_network(checkpoint: Checkpoint, train: Split, splits: Sequence[str]) -> None:
    """Check that a checkpoint can be made slim with these photographs.

    Raises:
        WeightsError: it has other classes, or it knows the photographs that would be used for validation.
    """
    if checkpoint.classes != train.classes:
        raise WeightsError("the checkpoint of --slim has other classes than the data; give the data that it is for")
    if "val" in str(checkpoint.provenance.get("train_split")).split("+") and "val" not in splits:
        raise WeightsError(
            "the checkpoint of --slim was trained on the validation photographs, so they would say nothing; "
            "add --splits train,val"
        )


def slim_network(
    full: PhotoNetwork, full_size: int, budget: Budget, train: Split, preprocessing: Preprocessing, first_stage: int
) -> tuple[PhotoNetwork, float]:
    """Return the part of a network that the budget keeps, not yet trained, and its share of the full network's work.

    Args:
        full: in eval mode.
        full_size: of its photos, pixels.
        budget: the limit.
        train: the photographs that tell what matters.
        preprocessing: of the slim network.
        first_stage: the first stage that may lose channels; 0 is ``layer1``.
    """
    importance = measure_importance(full, train, preprocessing)
    full_macs = count_macs(widths_of(importance), full_size)
    kept = choose_channels(importance, budget, full_macs=full_macs, size=preprocessing.size, first_stage=first_stage)
    slim = prune(full, kept)
    return slim, count_macs(slim.architecture.widths, preprocessing.size) / full_macs
