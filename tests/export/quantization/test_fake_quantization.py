"""Fake quantization and quantization-aware fine-tuning."""

import warnings
from pathlib import Path

import pytest
import torch

from export.quantization.fake_quantization import RoundedActivation, RoundedWeight
from export.quantization.quantization_aware_training import fine_tune_for_int8, with_rounded_activations
from finetune.data.dataset import read_split
from finetune.network.checkpoint import load_checkpoint


@pytest.mark.parametrize("symmetric", [False, True])
def test_activations_are_rounded_as_by_torch_ao(symmetric: bool) -> None:
    ao = pytest.importorskip("torch.ao.quantization")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch.ao is deprecated
        if symmetric:
            expected_rounding = ao.FakeQuantize(
                ao.MovingAverageMinMaxObserver, -127, 127, dtype=torch.qint8, qscheme=torch.per_tensor_symmetric
            )
        else:
            expected_rounding = ao.FakeQuantize(
                ao.MovingAverageMinMaxObserver, 0, 255, dtype=torch.quint8, qscheme=torch.per_tensor_affine
            )
    rounding = RoundedActivation(symmetric=symmetric)
    torch.manual_seed(0)
    batches = [torch.zeros(3, 4), *(torch.randn(2, 5, 7) * scale + scale for scale in (1, 3, 0.1, 0.01))]
    batches.append(torch.relu(torch.randn(2, 5)))
    for batch in batches:
        values, expected_values = (batch.clone().requires_grad_() for _ in range(2))
        rounded, expected = rounding(values), expected_rounding(expected_values)
        assert torch.equal(rounded, expected)
        rounded.sum().backward()
        expected.sum().backward()
        assert values.grad is not None
        assert expected_values.grad is not None
        assert torch.equal(values.grad, expected_values.grad)


def test_weights_have_a_scale_for_each_output_channel() -> None:
    weight = torch.randn(3, 4, generator=torch.Generator().manual_seed(0)) * torch.tensor([[1.0], [100.0], [0.01]])
    rounded = RoundedWeight()(weight)
    scale = weight.abs().amax(1, keepdim=True) / 127
    assert torch.allclose(rounded / scale, (rounded / scale).round(), atol=1e-3)
    assert ((rounded - weight).abs() <= 0.501 * scale).all()


def test_fine_tuning_rounds_where_int8_does(run_folder: Path, dataset: Path) -> None:
    checkpoint = load_checkpoint(run_folder / "best.pt")
    network = with_rounded_activations(checkpoint.network().resnet, tensorrt=False)
    # 49 after a ReLU, 16 before an addition, 4 in the skip connections.
    assert sum(isinstance(module, RoundedActivation) for module in network.modules()) == 69
    tuned = fine_tune_for_int8(checkpoint, read_split(dataset, "train").head(16), epochs=1)
    assert tuned.state_dict.keys() == checkpoint.state_dict.keys()
    assert tuned.provenance["qat"]["images"] == 16
    changed = [
        name for name in tuned.state_dict if not torch.equal(tuned.state_dict[name], checkpoint.state_dict[name])
    ]
    assert len(changed) > 100
    assert not any("running" in name for name in changed)
