"""The guard: a file that loses more than it may is not written, and the layers where it is lost are shown."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import onnx

from export.errors import ExportError
from export.quantization.sensitivity import signal_to_noise
from finetune.data.split import Split
from runtime.inference.model_file import ModelInfo

SHOWN_LAYERS = 10


DISAGREEMENT, DIVERGENCE = 2.0, 0.04
"""For photographs that were trained on, a point of ``--max-drop``: points of answers that may differ from FP32's, and
nats of divergence. A network knows such photographs by heart, rounded or not, so its top-1 on them hides a loss. Half a
point, the default, is 99 % of the answers, and 0.02 nats, a difference of the logits of about 0.2 (RMS)."""


LIMITS = "agreement with FP32 and divergence from it"


@dataclass(frozen=True)
class AccuracyLoss:
    """What a file loses against FP32 on the calibration photographs."""

    name: str
    precision: str
    photographs: Split
    top1: float
    """In percent, like the two below."""
    fp32_top1: float
    agreement: float
    divergence: float
    """In nats."""
    trained_on: bool
    """Whether the network was trained on these photographs."""

    @classmethod
    def of(cls, name: str, info: ModelInfo, photographs: Split) -> "AccuracyLoss":
        """From what was measured of a file. FP32 itself loses nothing."""
        measured = info.evaluation[photographs.name]
        top1 = measured["top1"]
        return cls(
            name,
            info.precision.upper(),
            photographs,
            top1,
            measured.get("fp32_top1", top1),
            measured.get("agreement_with_fp32", 100.0),
            measured.get("divergence_from_fp32", 0.0),
            measured.get("trained_on", False),
        )

    def check(self, max_drop: float, advice: str) -> None:
        """Raise `ExportError`, which ends in ``advice``, if that is more than ``max_drop`` points allow."""
        drop = self.fp32_top1 - self.top1
        where = f"on {self.photographs.describe()}"
        # Each written so that NaN fails, too.
        if not drop <= max_drop:
            lost = (
                f"loses {drop:.2f} points of top-1 {where}: {self.fp32_top1:.2f} % in FP32, {self.top1:.2f} % in "
                f"{self.precision}"
            )
        elif self.trained_on and not 100 - self.agreement <= DISAGREEMENT * max_drop:
            lost = f"answers {100 - self.agreement:.2f} % otherwise than FP32 {where}, which it was trained on"
        elif self.trained_on and not self.divergence <= DIVERGENCE * max_drop:
            lost = f"is {self.divergence:.2g} nats from FP32 {where}, which it was trained on"
        else:
            return
        message = f"{self.name} {lost}; more than --max-drop {max_drop:g} allows, so nothing was written"
        photograph = 100 / len(self.photographs)
        if photograph > max_drop:
            message += f"; one photograph is {photograph:.2g} points here: use more, or a larger --max-drop"
        raise ExportError(message + (f"; try {advice}" if self.precision == "INT8" else ""))


def advice(*, searched: bool, fine_tuned: bool) -> str:
    """What is left to try for INT8."""
    left = []
    if not searched:
        left.append("--search, which keeps the layers in float whose rounding costs most")
    if not fine_tuned:
        left.append("--qat 1")
    return ", or ".join(left) or "more epochs of --qat"


def report_noisiest_layers(
    exact: onnx.ModelProto, rounded: onnx.ModelProto, images: np.ndarray, report: Callable[[str], None]
) -> None:
    """Report the signal-to-noise ratio of the noisiest layers of ``rounded`` against ``exact``."""
    noise = signal_to_noise(exact, rounded, images)
    report("signal to noise   layer, the noisiest first")
    for layer, ratio in sorted(noise.items(), key=lambda pair: pair[1])[:SHOWN_LAYERS]:
        report(f"{ratio:>12.1f} dB   {layer}")
