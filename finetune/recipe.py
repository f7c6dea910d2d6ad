"""The recipe: all hyper-parameters that determine the weights at the end of a training run."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

from finetune.network.stages import HEAD
from runtime.errors import FlowerError


class RecipeError(FlowerError):
    """A recipe with an invalid value."""


def _option(default: Any, summary: str) -> Any:
    """Return a dataclass field; ``summary`` is the help text of its command line option."""
    return field(default=default, metadata={"summary": summary})


@dataclass(frozen=True)
class Recipe:
    """Hyper-parameters. On one CPU, equal recipes, data, weights and versions give equal weights.

    Change single values with `dataclasses.replace`, for example ``replace(RECIPES["fast"], seed=1)``.
    """

    epochs: int = _option(24, "passes over the training photographs")
    batch_size: int = _option(32, "photographs per step")
    size: int = _option(176, "side of the training crops, pixels")
    """Smaller than the test size on purpose: in random crops, flowers look larger than in the centre crops of the test
    (Touvron et al., "Fixing the train-test resolution discrepancy", NeurIPS 2019)."""
    min_scale: float = _option(0.3, "smallest fraction of a photo's area that a random crop covers")
    final_share: float = _option(0.33, "fraction of the epochs that form the final phase, which is closer to the test")
    """The last epochs use ``final_size`` instead of ``size`` and ``final_scale`` instead of ``min_scale``, without
    augmentation and mixing (Touvron et al. as above; He et al., "Data Augmentation Revisited", 2019)."""
    final_size: int = _option(224, "side of the training crops in the final phase, pixels")
    final_scale: float = _option(0.5, "smallest fraction of a photo's area that a crop of the final phase covers")
    augmentation: str = _option("trivial", "trivial, rand, or none (crop and flip only)")
    """``trivial``: Müller and Hutter, "TrivialAugment", ICCV 2021. ``rand``: Cubuk et al., "RandAugment", NeurIPS
    2020."""
    turn: float = _option(0.0, "probability that a view is turned by 90, 180 or 270 degrees")
    zoom_out: float = _option(0.0, "probability that a view shows its crop smaller, at a random place of a wider frame")
    degrade: float = _option(0.0, "probability that a view is grey, blurred, noisy, compressed or a thumbnail")
    """The final phase uses half of these three probabilities. See `finetune.batches.degradation`."""
    echo: int = _option(1, "epochs in which an augmented view is used, 1 for a new view in every epoch")
    """Data echoing (Choi et al., "Faster Neural Network Training with Data Echoing", 2019). The outputs of the frozen
    stages for a view are computed once and cached."""
    margin: int = _option(16, "pixels by which a view for several epochs is larger than the training crop")
    """Each epoch trains on another window of the cached view."""
    erasing: float = _option(0.1, "probability that a rectangle of a crop is blanked")
    """Zhong et al., "Random Erasing", AAAI 2020."""
    mixup: float = _option(0.2, "alpha of MixUp, 0 for none")
    """Zhang et al., "mixup", ICLR 2018. It mixes the outputs of the frozen stages, as manifold MixUp does (Verma et
    al., ICML 2019), or the pixels if no stage is frozen."""
    cutmix: float = _option(0.0, "alpha of CutMix, 0 for none")
    """Yun et al., "CutMix", ICCV 2019. With MixUp, each batch uses one of the two, chosen at random."""
    optimizer: str = _option("adamw", "sgd (Nesterov, momentum 0.9) or adamw")
    lr: float = _option(3e-4, "peak learning rate of layer4")
    head_lr: float = _option(9e-4, "peak learning rate of the head")
    stage_decay: float = _option(0.7, "learning rate of each stage relative to the stage above it")
    weight_decay: float = _option(0.05, "weight decay, see --decay")
    decay: str = _option("weights", "what has weight decay: weights, or all (also BatchNorm and biases)")
    label_smoothing: float = _option(0.1, "fraction of the target that is spread over all classes")
    warmup_epochs: float = _option(2.0, "epochs until the peak learning rate")
    clip_norm: float = _option(5.0, "largest norm of the gradient")
    average: str = _option("ema", "average of the weights: ema, swa or none")
    """The averaged weights are validated and written. ``ema``: exponential moving average. ``swa``: mean over the steps
    of the last quarter (Izmailov et al., "Averaging Weights Leads to Wider Optima", UAI 2018)."""
    average_decay: float = _option(0.99, "decay of the exponential moving average")
    batchnorm: str = _option("train", "statistics in the trained stages: train (of each batch) or frozen (ImageNet's)")
    freeze: int = _option(3, "stages that are never trained (1: stem, 2: also layer1, … 5: all except the head)")
    unfreeze_every: int = _option(1, "epochs until the next lower stage is trained as well, 0 for all at once")
    head: str = _option("probe", "initial head: probe (a linear probe on the frozen features) or random")
    validate_every: int = _option(2, "epochs between validations; the last epoch is always validated")
    seed: int = _option(0, "seed of all random numbers")
    runs: int = _option(1, "runs with consecutive seeds; the result is the mean of their weights")
    """A model soup (Wortsman et al., "Model soups", ICML 2022)."""

    def __post_init__(self) -> None:
        numbers = [value for value in asdict(self).values() if isinstance(value, float)]
        rules = (
            (all(math.isfinite(number) for number in numbers), "every value must be a finite number"),
            (0 <= self.seed < 2**63, "seed must be a whole number of at least 0"),
            (self.stage_decay > 0, "stage decay must be above 0"),
            (self.erasing <= 1, "erasing must be at most 1"),
            (
                all(0 <= probability <= 1 for probability in (self.turn, self.zoom_out, self.degrade)),
                "turn, zoom out and degrade must be 0 to 1",
            ),
            (self.epochs >= 1, "epochs must be at least 1"),
            (self.batch_size >= 2, "batch size must be at least 2, because BatchNorm needs two photographs"),
            (32 <= self.size <= 1024, "size must be 32 to 1024 pixels"),
            (32 <= self.final_size <= 1024, "final size must be 32 to 1024 pixels"),
            (0 <= self.final_share <= 1, "final share must be 0 to 1"),
            (min(self.min_scale, self.final_scale) > 0, "scales must be above 0"),
            (max(self.min_scale, self.final_scale) <= 1, "scales must be at most 1"),
            (self.augmentation in ("trivial", "rand", "none"), "augmentation must be trivial, rand or none"),
            (self.average in ("ema", "swa", "none"), "average must be ema, swa or none"),
            (self.batchnorm in ("train", "frozen"), "batchnorm must be train or frozen"),
            (self.decay in ("weights", "all"), "decay must be weights or all"),
            (0 <= self.margin <= 256, "margin must be 0 to 256 pixels"),
            (self.echo >= 1, "echo must be at least 1"),
            (self.optimizer in ("sgd", "adamw"), "optimizer must be sgd or adamw"),
            (self.head in ("probe", "random"), "head must be probe or random"),
            (0 <= self.freeze <= HEAD, f"freeze must be 0 to {HEAD}"),
            (self.lr > 0 and self.head_lr > 0, "learning rates must be above 0"),
            (0 <= self.average_decay < 1, "average decay must be at least 0 and below 1"),
            (0 <= self.label_smoothing < 1, "label smoothing must be at least 0 and below 1"),
            (
                min(self.mixup, self.cutmix, self.erasing, self.weight_decay, self.warmup_epochs) >= 0,
                "mixup, cutmix, erasing, weight decay and warmup epochs must not be negative",
            ),
            (self.clip_norm > 0, "clip norm must be above 0"),
            (self.unfreeze_every >= 0, "unfreeze every must not be negative"),
            (self.validate_every >= 1, "validate every must be at least 1"),
            (1 <= self.runs <= 100, "runs must be 1 to 100"),
        )
        for is_valid, message in rules:
            if not is_valid:
                raise RecipeError(message)

    @property
    def view_size(self) -> int:
        """Side of an augmented view, pixels."""
        return self.size + self.margin if self.echo > 1 else self.size

    def view_number(self, epoch: int, index: int) -> int:
        """Return the number of the augmented view that photograph ``index`` has in ``epoch`` (all counted from 0).

        The photographs take turns: in each epoch after the first, one in ``echo`` gets a new view.
        """
        return (epoch + index % self.echo) // self.echo

    def validates_after(self, epoch: int) -> bool:
        """Return whether validation follows ``epoch`` (counted from 0)."""
        return (epoch + 1) % self.validate_every == 0 or epoch + 1 == self.epochs

    def for_epoch(self, epoch: int) -> "Recipe":
        """Return the recipe of the phase of ``epoch`` (counted from 0): this one, or that of the final phase."""
        if epoch < self.epochs - round(self.final_share * self.epochs):
            return self
        final = replace(self, size=self.final_size, min_scale=self.final_scale)
        careless = {name: getattr(self, name) / 2 for name in ("turn", "zoom_out", "degrade")}
        return replace(final, augmentation="none", mixup=0.0, cutmix=0.0, **careless)

    def first_trained_stage(self, epoch: int) -> int:
        """Return the lowest stage that is trained in ``epoch`` (counted from 0), for gradual unfreezing.

        With a linear probe the head is already fitted, so ``layer4`` is trained from the first epoch. A random head is
        trained alone first.
        """
        if self.unfreeze_every == 0:
            return self.freeze
        start = HEAD - 1 if self.head == "probe" else HEAD
        return max(self.freeze, start - epoch // self.unfreeze_every)

    def to_dict(self) -> dict[str, Any]:
        """Return the values by name, for a checkpoint."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Recipe":
        """Return the recipe with these values, and defaults for the others; the inverse of `to_dict`.

        Raises:
            RecipeError: an unknown name or an invalid value.
        """
        unknown = set(values) - {field.name for field in fields(cls)}
        if unknown:
            raise RecipeError(f"unknown recipe values: {', '.join(sorted(unknown))}")
        return replace(cls(), **values)


SLIM_SIZE = 176
"""Side of the photos that a slim network takes, pixels."""

RECIPES = {
    "fast": Recipe(epochs=12, freeze=4, echo=4, final_share=0.0),
    "default": Recipe(),
    "best": Recipe(runs=3),
    "robust": Recipe(turn=0.1, zoom_out=0.2, degrade=0.35),
    "slim": Recipe(
        epochs=30, size=144, final_size=SLIM_SIZE, freeze=2, unfreeze_every=0, stage_decay=1.0, lr=1e-3, head_lr=1e-3
    ),
}
"""The named recipes, for ``--recipe`` and `finetune.train`."""

RECIPES_SUMMARY = """\
fast     about 7 minutes; 91.5 % validation accuracy. Trains layer4 and the head
default  about 22 minutes; 95.3 % validation accuracy. Trains layer3, layer4 and the head
best     about 66 minutes; 96.0 % validation accuracy. The mean of the weights of three default runs
slim     for --slim: from a finished checkpoint to a smaller network, about 25 minutes
robust   as long as default. Some views are worse, as careless photographs are. Two runs made the model inside
The times are for two CPU cores with fast bfloat16; without it, training takes a quarter longer.
Each option below changes one value of the recipe. The values in brackets are those of the default recipe."""
