"""From a checkpoint to model files: ONNX, FP16 and INT8, with the measurements that show what they lose.

The functions below are the interface of this package; the command line calls them. Photo decoding and inference are
imported from ``runtime``, data sets and checkpoints from ``finetune``.
"""

from typing import TYPE_CHECKING

import runtime  # noqa: F401  (first, because it turns off onnxruntime's usage reports)
from export.errors import ExportError
from export.targets import PRECISIONS, TARGETS
from runtime.lazy_import import lazy_attributes

if TYPE_CHECKING:
    from export.files.model_metadata import update_metadata
    from export.mobile.bundle import MobileBundle, build_mobile_bundle
    from export.stages.export_checkpoint import export_checkpoint
    from export.stages.write import ExportedModel
    from export.verification.comparison import Comparison
    from export.verification.model_check import Finding, check_model
    from export.web.bundle import WebBundle, build_web_bundle

_LAZY = {
    "Comparison": ".verification.comparison",
    "ExportedModel": ".stages.write",
    "Finding": ".verification.model_check",
    "MobileBundle": ".mobile.bundle",
    "WebBundle": ".web.bundle",
    "build_mobile_bundle": ".mobile.bundle",
    "build_web_bundle": ".web.bundle",
    "check_model": ".verification.model_check",
    "export_checkpoint": ".stages.export_checkpoint",
    "update_metadata": ".files.model_metadata",
}
"""Name → its module, imported when the name is first used. torch alone takes seconds to import."""


__getattr__ = lazy_attributes(__name__, _LAZY)


__all__ = [
    "PRECISIONS",
    "TARGETS",
    "Comparison",
    "ExportError",
    "ExportedModel",
    "Finding",
    "MobileBundle",
    "WebBundle",
    "build_mobile_bundle",
    "build_web_bundle",
    "check_model",
    "export_checkpoint",
    "update_metadata",
]
