"""Training views as careless photographs show flowers."""

import numpy as np
import pytest
import torch
from PIL import Image

from finetune.batches.degradation import BACKGROUNDS, DEGRADATIONS, SHARES, CarelessPhoto, Change, zoom_out
from tests.samples.drawn_flowers import draw_flower


@pytest.fixture
def view() -> Image.Image:
    return draw_flower(1, np.random.default_rng(1), 64).resize((64, 64))


@pytest.mark.parametrize("change", [*DEGRADATIONS, zoom_out, *BACKGROUNDS], ids=lambda change: change.__name__)
def test_each_change_depends_on_its_random_numbers_only(view: Image.Image, change: Change) -> None:
    first, again = (change(view, np.random.default_rng(3)) for _ in range(2))
    assert (first.size, first.mode) == (view.size, "RGB")
    assert first.tobytes() == again.tobytes()
    assert first.tobytes() != view.tobytes()


def test_probability_zero_changes_nothing(view: Image.Image) -> None:
    assert CarelessPhoto(turn=0, zoom_out=0, degrade=0)(view).tobytes() == view.tobytes()


def test_views_follow_torchs_seed(view: Image.Image) -> None:
    change = CarelessPhoto(turn=0.5, zoom_out=0.5, degrade=0.5)
    torch.manual_seed(7)
    views = [change(view).tobytes() for _ in range(20)]
    torch.manual_seed(7)
    assert [change(view).tobytes() for _ in range(20)] == views
    assert len(set(views)) > 10


def test_a_turn_is_a_quarter_half_or_three_quarters(view: Image.Image) -> None:
    pixels = np.asarray(view)
    turned = {CarelessPhoto(turn=1, zoom_out=0, degrade=0)(view).tobytes() for _ in range(40)}
    assert turned == {np.rot90(pixels, quarters).tobytes() for quarters in (1, 2, 3)}


def test_zooming_out_shows_most_of_the_view_smaller() -> None:
    red = Image.new("RGB", (100, 100), (255, 0, 0))
    shares = []
    for seed in range(50):
        pixels = np.asarray(zoom_out(red, np.random.default_rng(seed))).astype(int)
        shares.append((pixels == (255, 0, 0)).all(axis=2).mean())
    assert min(shares) > 0.1  # at most 2.6 times as wide a frame, with at most 15 % of each side outside
    assert min(shares) < 0.4


def test_shares_add_up_to_one() -> None:
    assert len(SHARES) == len(DEGRADATIONS)
    assert sum(SHARES) == pytest.approx(1)
