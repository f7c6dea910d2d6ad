"""Weights of other programs: what is read, and what is named for what it is."""

import argparse
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch

from finetune.network.checkpoint import load_checkpoint
from finetune.network.photo_network import PhotoNetwork
from finetune.network.pretrained import load_pretrained
from finetune.network.tensor_files import CheckpointError, WeightsError
from finetune.torchvision_import import models

State = dict[str, torch.Tensor]


def hugging_face_name(name: str) -> str:
    """The name in ``ResNetForImageClassification`` of a tensor of torchvision's ``resnet50``."""
    place, parameter = name.rsplit(".", 1)
    kinds = {"conv": "convolution", "bn": "normalization"}
    if place == "fc":
        return f"classifier.1.{parameter}"
    if match := re.fullmatch(r"(conv|bn)1", place):
        return f"resnet.embedder.embedder.{kinds[match[1]]}.{parameter}"
    stage, block, rest = re.fullmatch(r"layer(\d)\.(\d+)\.(.*)", place).groups()  # type: ignore[union-attr]
    part = {"downsample.0": "shortcut.convolution", "downsample.1": "shortcut.normalization"}.get(rest)
    part = part or f"layer.{int(rest[-1]) - 1}.{kinds[rest[:-1]]}"
    return f"resnet.encoder.stages.{int(stage) - 1}.layers.{block}.{part}.{parameter}"


def prefixed(state: State, prefix: str) -> State:
    return {prefix + name: tensor for name, tensor in state.items()}


FORMS: dict[str, Callable[[State], Any]] = {
    "DataParallel": lambda state: prefixed(state, "module."),
    "torch.compile": lambda state: {name.replace("layer2.", "layer2._orig_mod."): t for name, t in state.items()},
    "Lightning": lambda state: {"state_dict": prefixed(state, "model.net.") | {"loss.weight": torch.ones(3)}},
    "torchvision's references": lambda state: {"model": state, "model_ema": prefixed(state, "module."), "epoch": 3},
    "AveragedModel": lambda state: {"model_ema": prefixed(state, "module.") | {"n_averaged": torch.tensor(7)}},
    "wrapped twice": lambda state: {"model_state": {"state_dict": state}, "step": torch.tensor(1)},
    "Hugging Face": lambda state: {hugging_face_name(name): tensor for name, tensor in state.items()},
    "timm without head": lambda state: {name: t for name, t in state.items() if not name.startswith("fc.")},
    "old, without counters": lambda state: {name: t for name, t in state.items() if "tracked" not in name},
    "float64": lambda state: {name: t.double() if t.is_floating_point() else t for name, t in state.items()},
}


@pytest.mark.usefixtures("small_network")
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("safe", [False, True], ids=["torch", "safetensors"])
def test_weights_are_read_in_the_forms_of_other_programs(
    form: str, safe: bool, small_weights: Path, tmp_path: Path
) -> None:
    state = torch.load(small_weights, weights_only=True)
    content, path = FORMS[form](state), tmp_path / "weights"
    if safe and all(isinstance(value, torch.Tensor) for value in content.values()):
        safetensors.torch.save_file(content, path)
    else:
        torch.save(content, path)
    expected, actual = PhotoNetwork(4), PhotoNetwork(4)
    load_pretrained(expected, small_weights)
    load_pretrained(actual, path)
    assert all(torch.equal(actual.state_dict()[name], tensor) for name, tensor in body(expected).items())


@pytest.mark.usefixtures("small_network")
def test_training_can_start_from_a_checkpoint(small_run: Path) -> None:
    """Its first BatchNorm expects the bytes of this project already, and must not be adapted a second time."""
    network = PhotoNetwork(7)
    load_pretrained(network, small_run / "best.pt")
    expected = body(load_checkpoint(small_run / "best.pt").network())
    assert all(torch.equal(network.state_dict()[name], tensor) for name, tensor in expected.items())
    with pytest.raises(WeightsError, match=r"state of a training run.*best\.pt"):
        load_pretrained(PhotoNetwork(4), small_run / "last.pt")


def body(network: PhotoNetwork) -> State:
    return {name: tensor for name, tensor in network.state_dict().items() if ".fc." not in name}


def with_value(name: str, value: float) -> Callable[[State], State]:
    def change(state: State) -> State:
        changed = state[name].clone()
        changed.view(-1)[-1] = value
        return state | {name: changed}

    return change


@pytest.mark.usefixtures("small_network")
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (with_value("layer3.0.conv2.weight", float("nan")), "'layer3.0.conv2.weight' holds NaN or infinity"),
        (with_value("bn1.running_var", -1.0), "'bn1.running_var' holds negative variances"),
        (
            lambda state: {name: t.half() for name, t in with_value("bn1.running_var", 1e5)(state).items()},
            "'bn1.running_var' holds NaN or infinity; float16 ends at 65504",
        ),
        (lambda state: state | {"conv1.weight": state["conv1.weight"].to(torch.int8)}, "'conv1.weight' .*torch.int8"),
        (lambda state: prefixed(state, "student.") | prefixed(state, "teacher."), "several networks .'student.', "),
        (lambda state: {"args": argparse.Namespace(lr=1), "model": state}, "holds argparse.Namespace besides tensors"),
        (lambda _: {"epoch": 3, "model": {}}, "holds no state dict"),
        (
            lambda state: {name: tensor for name, tensor in state.items() if not name.startswith("layer4.")},
            "an incomplete ResNet-50",
        ),
    ],
    ids=["NaN", "negative variance", "float16 overflow", "int8", "two networks", "arguments", "nothing", "incomplete"],
)
def test_weights_that_cannot_be_used_are_named(
    change: Callable[[State], Any], message: str, small_weights: Path, tmp_path: Path
) -> None:
    torch.save(change(torch.load(small_weights, weights_only=True)), tmp_path / "weights.pth")
    with pytest.raises(WeightsError, match=message) as caught:
        load_pretrained(PhotoNetwork(4), tmp_path / "weights.pth")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("architecture", "name"),
    [
        ("resnet101", "a ResNet-101"),
        ("resnet34", "a ResNet-18 or ResNet-34"),
        ("resnext50_32x4d", "a ResNeXt"),
        ("wide_resnet50_2", "a wide ResNet"),
        ("mobilenet_v3_small", "another network"),
    ],
)
def test_another_architecture_is_named(architecture: str, name: str, tmp_path: Path) -> None:
    with torch.device("meta"):
        shapes = getattr(models, architecture)().state_dict()
    state = {key: torch.zeros((), dtype=value.dtype).expand(value.shape) for key, value in shapes.items()}
    torch.save(state, tmp_path / "weights.pth")
    with pytest.raises(WeightsError, match=f"{name}, not a ResNet-50"):
        load_pretrained(PhotoNetwork(4), tmp_path / "weights.pth")


def test_safetensors_says_what_to_install_and_a_damaged_file_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "model.safetensors"
    safetensors.torch.save_file({"conv1.weight": torch.zeros(3)}, path)
    path.write_bytes(path.read_bytes()[:-4])
    with pytest.raises(WeightsError, match="a damaged file of safetensors"):
        load_pretrained(PhotoNetwork(4), path)
    monkeypatch.setitem(sys.modules, "safetensors", None)
    with pytest.raises(WeightsError, match=r"pip install 'flower-edge\[safetensors\]'"):
        load_pretrained(PhotoNetwork(4), path)


@pytest.mark.usefixtures("small_network")
def test_checkpoint_with_infinity_is_not_exported(small_run: Path, tmp_path: Path) -> None:
    content = torch.load(small_run / "best.pt", weights_only=True)
    content["state_dict"]["fc.bias"][0] = float("inf")
    torch.save(content, tmp_path / "best.pt")
    with pytest.raises(CheckpointError, match=r"'fc\.bias' holds NaN or infinity"):
        load_checkpoint(tmp_path / "best.pt").network()
