"""The only module that imports torchvision.

torchvision's compiled operators fit exactly one build of torch. With another build (for example a CPU build of torch
and the torchvision of PyPI), they cannot be loaded, and ``import torchvision`` fails with "operator torchvision::nms
does not exist". This project needs none of these operators. Declaring the two that torchvision looks up during its
import is enough for models, transforms and data sets.
"""

import sys

import torch

_DECLARATIONS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)

try:
    import torchvision  # noqa: F401  (only to see whether it can be imported)
except RuntimeError as error:
    if "torchvision::" not in str(error):
        raise
    for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
        del sys.modules[name]
    # The declarations are removed with this object, so it stays referenced until the process ends.
    _library = torch.library.Library("torchvision", "FRAGMENT")  # type: ignore[no-untyped-call]  # not annotated in torch
    for declaration in _DECLARATIONS:
        _library.define(declaration)  # type: ignore[no-untyped-call]  # not annotated in torch

from torchvision import models  # noqa: E402  (after the declarations above)
from torchvision.datasets import Flowers102  # noqa: E402  (as above)
from torchvision.transforms import v2 as transforms  # noqa: E402  (as above)

__all__ = ["Flowers102", "models", "transforms"]
