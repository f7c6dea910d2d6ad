"""Training: from photographs to a checkpoint, by fine-tuning a ResNet-50.

>>> from finetune import RECIPES, train
>>> result = train("data", output="runs/flowers", recipe=RECIPES["fast"])  # doctest: +SKIP
>>> result.checkpoint, result.metrics["val_top1"]  # doctest: +SKIP

The rooms, from low to high; a module imports from its own room and from lower ones only: `data` (data sets and
downloads), `network` (ResNet-50, weights, checkpoint), `recipe` (hyper-parameters), `run` (one run: hardware,
processes, state, output folder), `batches` (augmentation, feature cache), `training` (loop, validation, `train`),
`command_line`.
"""

from typing import TYPE_CHECKING

# First, because importing runtime turns off onnxruntime's telemetry.
import runtime  # noqa: F401  (imported for this side effect)
from runtime.lazy_import import lazy_attributes

if TYPE_CHECKING:
    from finetune.recipe import RECIPES, Recipe
    from finetune.training.train import TrainingResult, train

_LAZY = {
    "RECIPES": ".recipe",
    "Recipe": ".recipe",
    "TrainingResult": ".training.train",
    "train": ".training.train",
}
"""Modules that are imported at the first use of a name, because importing torch takes seconds."""


__getattr__ = lazy_attributes(__name__, _LAZY)


__all__ = ["RECIPES", "Recipe", "TrainingResult", "train"]
