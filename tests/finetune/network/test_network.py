"""The network, pretrained weights, and files of tensors from untrusted sources."""

from pathlib import Path

import numpy as np
import pytest
import torch

from finetune.network.checkpoint import load_checkpoint
from finetune.network.photo_network import PhotoNetwork, set_trainable, stage_modules
from finetune.network.pretrained import load_pretrained
from finetune.network.stages import HEAD
from finetune.network.tensor_files import CheckpointError, WeightsError
from finetune.run.hardware import Hardware


def test_frozen_stages_are_in_eval_mode_without_gradients() -> None:
    network = PhotoNetwork(4)
    set_trainable(network, 3)
    for stage in range(HEAD + 1):
        for module in stage_modules(network, stage):
            assert module.training == (stage >= 3)
            assert all(parameter.requires_grad == (stage >= 3) for parameter in module.parameters())


def test_byte_normalisation_is_equivalent_to_that_of_imagenet(weights: Path) -> None:
    """Except at the edges, the output of the first stage is that of torchvision's network."""
    network, original = PhotoNetwork(4).eval(), PhotoNetwork(1000).eval()
    load_pretrained(network, weights)
    original.resnet.load_state_dict(torch.load(weights, weights_only=True))
    image = torch.randint(0, 256, (1, 64, 64, 3), dtype=torch.uint8, generator=torch.manual_seed(0))
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    imagenet_input = ((image / 255 - mean) / std).permute(0, 3, 1, 2)
    byte_input = (image.permute(0, 3, 1, 2).float() - 115) / network.std
    with torch.no_grad():
        expected = original.resnet.bn1(original.resnet.conv1(imagenet_input))
        actual = network.resnet.bn1(network.resnet.conv1(byte_input))
    assert torch.allclose(actual[..., 2:-2, 2:-2], expected[..., 2:-2, 2:-2], atol=1e-4)


@pytest.mark.parametrize(
    "content",
    [b"", b"no weights", {"conv1.weight": torch.zeros(3)}, {"a": "b"}, [1, 2], {"conv1.weight": np.float64(1)}],
    ids=["empty file", "text", "wrong shape", "no tensors", "list", "numpy scalar"],
)
def test_file_without_weights_is_rejected(content: object, tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        torch.save(content, path)
    with pytest.raises(WeightsError) as caught:
        load_pretrained(PhotoNetwork(4), path)
    assert "\n" not in str(caught.value)
    with pytest.raises(CheckpointError):
        load_checkpoint(path)


def test_code_in_a_checkpoint_is_not_run(tmp_path: Path) -> None:
    class Malicious:
        def __reduce__(self) -> tuple[object, tuple[object, ...]]:
            return Path.touch, (tmp_path / "executed",)

    torch.save({"format": Malicious()}, tmp_path / "malicious.pt")
    with pytest.raises(CheckpointError, match="could run code"):
        load_checkpoint(tmp_path / "malicious.pt")
    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize(
    ("capabilities", "precision"),
    [
        ({"cpu_name": "AMD Zen4", "avx512_bf16": True}, "bfloat16"),
        ({"cpu_name": "Intel Xeon", "avx512_bf16": True, "amx_bf16": True}, "bfloat16"),
        ({"cpu_name": "Intel Xeon", "avx512_bf16": True, "amx_bf16": False}, "float32"),
        ({"cpu_name": "AMD Zen3", "avx512_bf16": False}, "float32"),
        ({}, "float32"),
    ],
)
def test_automatic_precision_is_the_faster_one(
    capabilities: dict[str, object], precision: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities)
    assert Hardware.detect("cpu").precision == precision
