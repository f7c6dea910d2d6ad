"""The one place that imports torchvision.

torchvision's compiled operators belong to one exact build of torch. Beside another build (a CPU-only torch with the
registry's torchvision, for example) they cannot be loaded, and ``import torchvision`` fails with "operator
torchvision::nms does not exist". None of those operators is needed to classify: declaring the two that are looked up
during the import is enough for models, transforms and data sets.
"""

import sys

import torch

_DECLARATIONS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)

try:
    import torchvision  # noqa: F401
except RuntimeError as error:
    if "torchvision::" not in str(error):
        raise
    for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
        del sys.modules[name]
    # The declarations live as long as this object; it is kept for the life of the process.
    _library = torch.library.Library("torchvision", "FRAGMENT")
    for declaration in _DECLARATIONS:
        _library.define(declaration)

from torchvision import models  # noqa: E402
from torchvision.datasets import Flowers102  # noqa: E402
from torchvision.transforms import v2 as transforms  # noqa: E402

__all__ = ["Flowers102", "models", "transforms"]
