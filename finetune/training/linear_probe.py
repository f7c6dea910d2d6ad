"""The initial head: a linear probe, fitted to the pretrained network's features of the training photographs.

Fine-tuning from a fitted head distorts the pretrained features less than from a random head (Kumar et al., "Fine-Tuning
can Distort Pretrained Features", ICLR 2022). It costs one pass over the photographs.
"""

from collections.abc import Callable

import numpy as np
import torch
from torch import nn
from tqdm import tqdm

from finetune.data.photo_batches import photo_batches
from finetune.data.split import Split
from finetune.network.photo_network import FEATURES, PhotoNetwork
from finetune.network.stages import HEAD
from finetune.network.tensor_files import WeightsError
from runtime.photos.preprocessing import Preprocessing

BATCH = 64
WEIGHT_PENALTY = 3e-4
MAX_STEPS = 200


def fit_head(
    network: PhotoNetwork, split: Split, preprocessing: Preprocessing, autocast: Callable[[], torch.autocast]
) -> float:
    """Fit the head to the features of ``split`` and of its mirror images.

    The method is multinomial logistic regression with an L2 penalty, by L-BFGS.

    Args:
        network: its head is changed in place.
        split: the training photographs.
        preprocessing: of the photographs.
        autocast: returns the context in which the features are computed.

    Returns:
        The cross-entropy of the fitted head.

    Raises:
        WeightsError: the network computes features that are not finite.
    """
    network.eval()
    device = network.std.device
    # Filled in place: joining parts would need the memory twice.
    features = torch.empty((2, len(split), FEATURES), device=device)
    done = 0
    with torch.no_grad(), tqdm(total=len(split), desc="linear probe", unit="img", disable=None) as bar:
        for pixels in photo_batches(split.paths, preprocessing, BATCH):
            images = torch.from_numpy(pixels).to(device)
            with autocast():
                for row, batch in enumerate((images, images.flip(2))):
                    features[row, done : done + len(pixels)] = network.run_stages(batch, 0, HEAD)
            done += len(pixels)
            bar.update(len(pixels))
    if not bool(torch.isfinite(features).all()):
        raise WeightsError(
            "with these weights the features of the photographs overflow; use other --weights, or --precision fp32"
        )
    features = features.reshape(-1, FEATURES)
    labels = torch.from_numpy(np.tile(split.labels, 2)).to(device)

    head = network.resnet.fc
    nn.init.zeros_(head.weight)
    nn.init.zeros_(head.bias)
    optimizer = torch.optim.LBFGS(head.parameters(), max_iter=MAX_STEPS, line_search_fn="strong_wolfe")

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        loss: torch.Tensor = nn.functional.cross_entropy(head(features), labels)
        loss = loss + WEIGHT_PENALTY * head.weight.square().sum()
        loss.backward()  # type: ignore[no-untyped-call]  # not annotated in torch
        return loss

    optimizer.step(closure)  # type: ignore[no-untyped-call]  # not annotated in torch
    with torch.no_grad():
        return float(nn.functional.cross_entropy(head(features), labels))
