"""The model inside, on the real photographs."""

from pathlib import Path

import pytest

from export.verification.evaluation import run_split, summary
from finetune.data.dataset import read_split
from finetune.data.oxford import CLASSES
from finetune.data.split import join_splits
from runtime.inference.session import Session
from runtime.inference.shipped_models import DEFAULT_MODEL

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def session() -> Session:
    return Session(DEFAULT_MODEL, device="cpu")


def test_the_model_inside_is_as_accurate_as_it_says(session: Session, real_data: Path) -> None:
    split = read_split(real_data, "test")
    measured = summary(run_split({"int8": session}, split, session.info.preprocessing)["int8"].logits, split)
    stated = session.info.evaluation["test"]
    assert measured["images"] == stated["images"]
    # INT8 kernels round differently from processor to processor; five photographs of 1,020 are 0.5 points.
    assert measured["top1"] == pytest.approx(stated["top1"], abs=0.5)
    assert measured["top1"] >= 90
    assert stated["top1"] >= stated["fp32_top1"] - 0.5


def test_the_model_inside_was_calibrated_on_the_whole_validation_split(session: Session, real_data: Path) -> None:
    split = read_split(real_data, "val")
    assert session.info.calibration["images"] == len(split) == 1020
    assert session.info.calibration["sha256"] == split.digest()
    assert session.info.classes == CLASSES


def test_the_model_inside_was_trained_on_no_test_photograph(session: Session, real_data: Path) -> None:
    provenance = session.info.training["provenance"]
    assert provenance["train_images"] == 2040
    assert (
        provenance["train_sha256"] == join_splits([read_split(real_data, name) for name in ("train", "val")]).digest()
    )
    assert session.info.evaluation["val"]["trained_on"]
    assert "trained_on" not in session.info.evaluation["test"]
