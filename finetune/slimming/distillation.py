"""Training with another network's answers (Hinton et al., "Distilling the Knowledge in a Neural Network", 2015).

The slim network learns the full one's probabilities of each view of a photograph, as Beyer et al. do ("Knowledge
distillation: A good teacher is patient and consistent", CVPR 2022): both see the same view, mixed or not.
"""

import torch
from torch import nn

TEMPERATURE = 2.0
"""The logits of both are divided by it, so that small probabilities count more. A full network that is trained with
label smoothing has few large ones."""


def distillation_loss(logits: torch.Tensor, teacher_logits: torch.Tensor) -> torch.Tensor:
    """Return the mean Kullback-Leibler divergence from the teacher's probabilities, times the squared temperature.

    With this factor, the gradient is about as large at any temperature.

    Args:
        logits: float, shape (batch, classes).
        teacher_logits: of the same inputs.
    """
    own, teacher = (nn.functional.log_softmax(each.float() / TEMPERATURE, dim=1) for each in (logits, teacher_logits))
    return nn.functional.kl_div(own, teacher, reduction="batchmean", log_target=True) * TEMPERATURE**2
