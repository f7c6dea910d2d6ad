"""What a network answers for a whole split, in float32."""

import numpy as np
import torch
from tqdm import tqdm

from finetune.hardware import Hardware
from finetune.network import PhotoNetwork
from finetune.photos import batches
from finetune.split import Split
from runtime.preprocessing import Preprocessing

BATCH = 32


@torch.no_grad()
def predict(network: PhotoNetwork, split: Split, preprocessing: Preprocessing) -> np.ndarray:
    """Logits: float32, shape (images, classes)."""
    Hardware(torch.device("cpu"), bfloat16=False, workers=0).place(network.eval())
    parts = []
    with tqdm(total=len(split), desc=f"measuring {split.name}", unit="img", leave=False, disable=None) as bar:
        for images in batches(split.paths, preprocessing, BATCH):
            parts.append(network(torch.from_numpy(images)).numpy())
            bar.update(len(images))
    return np.concatenate(parts)
