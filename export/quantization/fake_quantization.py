"""Rounding inside a float network, as INT8 will round: values are rounded, gradients pass unchanged.

Source: Jacob et al., "Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference",
CVPR 2018. The rounding itself is torch's public ``fake_quantize`` functions.
"""

import torch
from torch import nn

AVERAGING = 0.01
"""Weight of a batch in the moving averages of an activation's smallest and largest value."""
SMALLEST_SCALE = torch.finfo(torch.float32).eps
SYMMETRIC_STEPS = 127
"""Steps on each side of 0, for weights and for symmetric activations."""


class RoundedWeight(nn.Module):
    """Rounds weights to int8 with a scale for each output channel (a parametrization of ``torch.nn.utils``).

    The export folds BatchNorm into the weights after training. That multiplies whole channels, so rounding is the same.
    """

    def forward(self, weight: torch.Tensor) -> torch.Tensor:
        """Return the rounded weight: float32, shape (output channels, …)."""
        channels = len(weight)
        scale = weight.detach().abs().reshape(channels, -1).amax(1).clamp(min=1e-12) / SYMMETRIC_STEPS
        zero = torch.zeros(channels, dtype=torch.int32)
        return torch.fake_quantize_per_channel_affine(weight, scale, zero, 0, -SYMMETRIC_STEPS, SYMMETRIC_STEPS)


class RoundedActivation(nn.Module):
    """Rounds an activation to a byte over the moving averages of its smallest and largest value.

    The ranges and the rounding are those of ``torch.ao``'s ``FakeQuantize`` with ``MovingAverageMinMaxObserver``.

    Args:
        symmetric: int8 with zero point 0, as TensorRT needs it; otherwise uint8 with any zero point.
    """

    def __init__(self, *, symmetric: bool) -> None:
        super().__init__()
        self._symmetric = symmetric
        self._range: tuple[torch.Tensor, torch.Tensor] | None = None

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """Update the range with ``values`` (float32, any shape) and return them rounded."""
        low, high = torch.aminmax(values.detach())
        if self._range is not None:
            average_low, average_high = self._range
            low = average_low + AVERAGING * (low - average_low)
            high = average_high + AVERAGING * (high - average_high)
        self._range = low, high
        zero = torch.zeros_like(low)
        low, high = torch.minimum(low, zero), torch.maximum(high, zero)  # 0 must be represented exactly
        if self._symmetric:
            scale = (torch.maximum(-low, high) / SYMMETRIC_STEPS).clamp(min=SMALLEST_SCALE)
            zero_point, smallest, largest = zero, -SYMMETRIC_STEPS, SYMMETRIC_STEPS
        else:
            scale = ((high - low) / 255.0).clamp(min=SMALLEST_SCALE)
            zero_point, smallest, largest = (-torch.round(low / scale)).clamp(0, 255), 0, 255
        return torch.fake_quantize_per_tensor_affine(
            values, scale.reshape(1), zero_point.to(torch.int32).reshape(1), smallest, largest
        )
