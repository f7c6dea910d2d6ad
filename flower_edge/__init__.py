"""flower-edge: name the flower in a photo, on a device that fits in a pocket.

>>> from flower_edge import FlowerClassifier
>>> FlowerClassifier().predict("photo.jpg").best.label  # doctest: +SKIP
'sunflower'

An installed distribution has everything below this package: `flower_edge.runtime`, `flower_edge.finetune`,
`flower_edge.export` and `flower_edge.benchmarks`. In a checkout the four packages lie beside this folder.
"""

from contextlib import suppress
from typing import TYPE_CHECKING, Any

with suppress(ModuleNotFoundError):  # the wheel leaves this module out
    import flower_edge._checkout  # noqa: F401

import runtime
from runtime import __all__ as __all__

if TYPE_CHECKING:
    from runtime import *  # noqa: F403


def __getattr__(name: str) -> Any:
    return getattr(runtime, name)
