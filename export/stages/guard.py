"""Stage 6: stop the export if a file loses more accuracy than it may, and show the layers that cause it."""

from collections.abc import Callable, Sequence

from export.confidence.cuts import ENOUGH_PHOTOGRAPHS
from export.errors import ExportError
from export.files.model_metadata import EXPECTATIONS
from export.quantization.sensitivity import signal_to_noise
from export.stages.finish import FinishedModel, GivenConfidence
from export.stages.float_network import FloatNetwork
from export.stages.load import ExportInputs
from export.stages.measure import MeasuredVariants
from export.stages.quantize import ExportVariant
from export.verification.accuracy_guard import LIMITS, AccuracyLoss

SHOWN_LAYERS = 10
"""Layers in the table, the noisiest first."""


def check_accuracy(
    measured: MeasuredVariants,
    inputs: ExportInputs,
    network: FloatNetwork,
    *,
    max_drop: float,
    advice: str,
    report: Callable[[str], None],
) -> None:
    """Compare the loss of each variant with ``max_drop``.

    Args:
        measured: the variants on the calibration photographs.
        inputs: of the export.
        network: holds the photographs on which the noise of the layers is measured.
        max_drop: points of top-1 that a variant may lose.
        advice: what to try for INT8; the end of the error message.
        report: receives the table of layers.

    Raises:
        ExportError: a variant loses more.
    """
    for variant in measured.variants:
        figures = measured.on_calibration.figures[variant.name]
        loss = AccuracyLoss.from_figures(variant.name, variant.info.precision, inputs.calibration, figures)
        try:
            loss.check(max_drop, advice)
        except ExportError:
            if variant.info.precision == "int8":
                _report_noisiest_layers(variant, network, report)
            raise


def report_trained_on(inputs: ExportInputs, given: GivenConfidence, report: Callable[[str], None]) -> None:
    """Report what it means if the network was trained on the calibration photographs.

    Args:
        inputs: of the export.
        given: what is not fitted on these photographs.
        report: receives the line.
    """
    if not inputs.trained_on_calibration:
        return
    note = (
        f"note     the network was trained on the {inputs.calibration.name} photographs, so its top-1 on them does not "
        f"show a loss; {LIMITS} are checked as well"
    )
    if given.twin is None:
        note += (
            "; a temperature and cuts fitted on them name too few new photographs and make answers too sure: train the "
            "same recipe without them, export it, and give that model file with --confidence-of"
        )
    report(note)


def report_named_share(finished: Sequence[FinishedModel], report: Callable[[str], None]) -> None:
    """Report what share of new photographs is expected to get a name, and whether too few photographs say so."""
    for model in finished:
        share = model.info.familiarity
        if not all(key in share for key in EXPECTATIONS):
            continue
        low, high = share["interval"]
        line = (
            f"{model.name:8} {share['expected_named']:.1f} % ({low:.1f} to {high:.1f}) of new photographs of the known "
            "flowers are expected to get a name"
        )
        if share["photographs"] < ENOUGH_PHOTOGRAPHS:
            line += (
                f"; the range is wide, because the cuts are fitted on {share['photographs']} validation photographs "
                f"only; use at least {ENOUGH_PHOTOGRAPHS}"
            )
        report(line)


def _report_noisiest_layers(variant: ExportVariant, network: FloatNetwork, report: Callable[[str], None]) -> None:
    noise = signal_to_noise(variant.float_core, variant.core, network.sample)
    report("signal to noise   layer, the noisiest first")
    for layer, ratio in sorted(noise.items(), key=lambda pair: pair[1])[:SHOWN_LAYERS]:
        report(f"{ratio:>12.1f} dB   {layer}")
