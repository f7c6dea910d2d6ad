"""MixUp and CutMix."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from finetune.batches.mixing import mix
from finetune.recipe import Recipe

SHAPES = {"images": (16, 16, 3), "maps": (3, 16, 16), "features": (7,)}


@settings(max_examples=60)
@given(
    kind=st.sampled_from(sorted(SHAPES)),
    count=st.integers(2, 9),
    step=st.integers(0, 10_000),
    mixup=st.sampled_from([0.0, 0.2, 1.0]),
    cutmix=st.sampled_from([0.0, 1.0]),
)
def test_inputs_and_targets_are_mixed_with_the_same_weights(
    kind: str, count: int, step: int, mixup: float, cutmix: float
) -> None:
    """Every value of an input is the number of its class, so the mean of a mixed input follows from its targets."""
    labels = torch.arange(count)
    plain = labels.view(-1, *[1] * len(SHAPES[kind])).expand(-1, *SHAPES[kind])
    inputs = plain.to(torch.uint8).contiguous() if kind == "images" else plain.float().contiguous()
    mixed, targets = mix(inputs, labels, Recipe(mixup=mixup, cutmix=cutmix), count, step)
    assert mixed.shape == inputs.shape
    assert torch.allclose(targets.sum(1), torch.ones(count))
    assert torch.allclose(mixed.float().flatten(1).mean(1), targets @ labels.float(), atol=1e-4)
    if not mixup and not cutmix:
        assert torch.equal(mixed, inputs)


@pytest.mark.parametrize("cutmix", [0.0, 1.0])
def test_result_for_a_pair_does_not_depend_on_its_batch(cutmix: float) -> None:
    """Therefore several processes can divide a batch."""
    recipe = Recipe(mixup=0.4, cutmix=cutmix)
    inputs, labels = torch.randn(8, 3, 6, 6), torch.arange(8)
    whole = mix(inputs, labels, recipe, 8, 5)
    halves = [mix(inputs[part], labels[part], recipe, 8, 5) for part in (slice(0, 4), slice(4, 8))]
    for index in (0, 1):
        assert torch.equal(whole[index], torch.cat([half[index] for half in halves]))
