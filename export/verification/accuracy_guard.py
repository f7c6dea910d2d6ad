"""The accuracy guard: the limits of what a model file may lose against FP32."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from export.errors import ExportError
from finetune.data.split import Split

DISAGREEMENT_PER_POINT = 2.0
"""For photographs that the network was trained on: percent of answers that may differ from FP32's, for each point of
``--max-drop``. Such photographs are classified correctly even after coarse rounding, so their top-1 hides a loss.
Half a point, the default, allows 1 % of the answers to differ."""
DIVERGENCE_PER_POINT = 0.04
"""Likewise: nats of divergence from FP32 for each point. Half a point, the default, allows 0.02 nats, which corresponds
to a difference of the logits of about 0.2 (RMS)."""
LIMITS = "agreement with FP32 and divergence from it"
"""The names of these two limits, for messages."""


@dataclass(frozen=True)
class AccuracyLoss:
    """What a model file loses against FP32 on the calibration photographs."""

    name: str
    """Of the model variant."""
    precision: str
    """For example ``INT8``."""
    photographs: Split
    top1: float
    """In percent."""
    fp32_top1: float
    """In percent."""
    agreement: float
    """Percent of photographs with FP32's top-1."""
    divergence: float
    """From FP32, in nats."""
    trained_on: bool
    """Whether the network was trained on these photographs."""

    @classmethod
    def from_figures(cls, name: str, precision: str, photographs: Split, figures: Mapping[str, Any]) -> "AccuracyLoss":
        """Make it from what a model file records for a split. FP32 itself loses nothing.

        Args:
            name: of the model variant.
            precision: ``fp32``, ``fp16`` or ``int8``.
            photographs: the split.
            figures: of that split (`export.verification.evaluation.compare_with_fp32`).
        """
        top1 = figures["top1"]
        return cls(
            name,
            precision.upper(),
            photographs,
            top1,
            figures.get("fp32_top1", top1),
            figures.get("agreement_with_fp32", 100.0),
            figures.get("divergence_from_fp32", 0.0),
            figures.get("trained_on", False),
        )

    def check(self, max_drop: float, advice: str) -> None:
        """Compare the loss with the limits.

        Args:
            max_drop: points of top-1 that may be lost.
            advice: what to try for INT8; the end of the error message.

        Raises:
            ExportError: the loss exceeds a limit, or is NaN.
        """
        drop = self.fp32_top1 - self.top1
        where = f"on {self.photographs.describe()}"
        # "not <=" instead of ">", so that NaN fails, too.
        if not drop <= max_drop:
            loss = (
                f"loses {drop:.2f} points of top-1 {where}: {self.fp32_top1:.2f} % in FP32, {self.top1:.2f} % in "
                f"{self.precision}"
            )
        elif self.trained_on and not 100 - self.agreement <= DISAGREEMENT_PER_POINT * max_drop:
            loss = f"answers {100 - self.agreement:.2f} % differently from FP32 {where}, which it was trained on"
        elif self.trained_on and not self.divergence <= DIVERGENCE_PER_POINT * max_drop:
            loss = f"is {self.divergence:.2g} nats from FP32 {where}, which it was trained on"
        else:
            return
        message = f"{self.name} {loss}; more than --max-drop {max_drop:g} allows, so nothing was written"
        one_photograph = 100 / len(self.photographs)
        if one_photograph > max_drop:
            message += f"; one photograph is {one_photograph:.2g} points here: use more, or a larger --max-drop"
        raise ExportError(message + (f"; try {advice}" if self.precision == "INT8" else ""))


def advise(*, searched: bool, fine_tuned: bool) -> str:
    """Return what to try next for INT8.

    Args:
        searched: ``--search`` was given.
        fine_tuned: ``--qat`` was given.
    """
    options = []
    if not searched:
        options.append("--search, which keeps the layers in float whose rounding costs most")
    if not fine_tuned:
        options.append("--qat 1")
    return ", or ".join(options) or "more epochs of --qat"
