"""The recipe: every choice that decides what a training run ends with."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from finetune.network.photo_network import HEAD
from runtime.errors import FlowerError


class RecipeError(FlowerError):
    """A recipe with values that make no sense."""


@dataclass(frozen=True)
class Recipe:
    """Hyper-parameters. Two runs with equal recipes, data, weights and versions on one CPU end with equal weights."""

    epochs: int = 24
    batch_size: int = 32
    size: int = 176
    """Side of the training crops, pixels. Below the test size on purpose: random crops make flowers look larger than
    they are at test time (Touvron et al., "Fixing the train-test resolution discrepancy", NeurIPS 2019)."""
    min_scale: float = 0.3
    """Smallest share of the photo's area that a random crop takes."""
    final_share: float = 0.33
    """Share of the epochs, the last ones, on photographs more like those of the test: ``final_size`` for ``size``,
    ``final_scale`` for ``min_scale``, and neither augmentation nor mixing (Touvron et al. as above; He et al., "Data
    Augmentation Revisited", 2019)."""
    final_size: int = 224
    final_scale: float = 0.5
    augmentation: str = "trivial"
    """``trivial`` (Müller and Hutter, "TrivialAugment", ICCV 2021), ``rand`` (Cubuk et al., "RandAugment", NeurIPS
    2020) or ``none`` (crop and flip only)."""
    echo: int = 1
    """Epochs that an augmented view serves before another takes its place (Choi et al., "Faster Neural Network Training
    with Data Echoing", 2019). What the frozen stages make of it is computed once and kept. 1: a new one every epoch."""
    margin: int = 16
    """Pixels by which a view that serves several epochs is larger than the training crop: each of them trains on
    another window of what is kept."""
    erasing: float = 0.1
    """Chance that a rectangle of a training crop is blanked (Zhong et al., "Random Erasing", AAAI 2020)."""
    mixup: float = 0.2
    """Alpha of MixUp (Zhang et al., ICLR 2018); 0 turns it off. It mixes what the frozen stages give, as manifold MixUp
    does (Verma et al., ICML 2019), or the pixels where no stage is frozen."""
    cutmix: float = 0.0
    """Alpha of CutMix (Yun et al., ICCV 2019); 0 turns it off. Where MixUp is on as well, every other batch has it."""
    optimizer: str = "adamw"
    """``sgd`` (Nesterov, momentum 0.9) or ``adamw``."""
    lr: float = 3e-4
    """Peak learning rate of ``layer4``."""
    head_lr: float = 9e-4
    """Peak learning rate of the head."""
    stage_decay: float = 0.7
    """Each stage's rate as a multiple of that of the stage above it."""
    weight_decay: float = 0.05
    decay: str = "weights"
    """What weight decay shrinks: ``weights`` (of convolutions and head) or ``all`` (BatchNorm and biases as well)."""
    label_smoothing: float = 0.1
    warmup_epochs: float = 2.0
    clip_norm: float = 5.0
    """Largest norm of the gradient."""
    average: str = "ema"
    """How the weights that are validated and kept come from those that are trained: ``ema`` (exponential moving
    average), ``swa`` (mean over the steps of the last quarter; Izmailov et al., UAI 2018) or ``none``."""
    average_decay: float = 0.99
    """Of the exponential moving average."""
    batchnorm: str = "train"
    """In the trained stages: ``train`` (statistics of each batch) or ``frozen`` (ImageNet's, kept)."""
    freeze: int = 3
    """Stages, from the photo up, that are never trained: 3 is the stem, ``layer1`` and ``layer2``."""
    unfreeze_every: int = 1
    """Epochs between one stage joining the training and the next one down. 0: all at once."""
    head: str = "probe"
    """Where the new head starts: ``probe`` (a linear probe on the frozen features) or ``random``."""
    validate_every: int = 2
    """Epochs from one validation to the next; the last epoch is always validated."""
    seed: int = 0
    runs: int = 1
    """Runs, of this seed and the ones after it, the mean of whose weights is what training ends with (Wortsman et al.,
    "Model soups", ICML 2022)."""

    def __post_init__(self) -> None:
        numbers = [value for value in asdict(self).values() if isinstance(value, float)]
        rules = (
            (all(math.isfinite(number) for number in numbers), "every value must be a finite number"),
            (0 <= self.seed < 2**63, "seed must be a whole number from 0 up"),
            (self.stage_decay > 0, "stage decay must be above 0"),
            (self.erasing <= 1, "erasing must be at most 1"),
            (self.epochs >= 1, "epochs must be at least 1"),
            (self.batch_size >= 2, "batch size must be at least 2 (BatchNorm needs company)"),
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
                "no value may be negative",
            ),
            (self.clip_norm > 0, "clip norm must be above 0"),
            (self.unfreeze_every >= 0, "unfreeze every must not be negative"),
            (self.validate_every >= 1, "validate every must be at least 1"),
            (1 <= self.runs <= 100, "runs must be 1 to 100"),
        )
        for holds, message in rules:
            if not holds:
                raise RecipeError(message)

    @property
    def view_size(self) -> int:
        """Side of an augmented view, pixels."""
        return self.size + self.margin if self.echo > 1 else self.size

    def view(self, epoch: int, index: int) -> int:
        """Which of its augmented views photograph ``index`` has in ``epoch`` (both counted from 0).

        The photographs take turns: in every epoch but the first, one in `echo` gets a new view.
        """
        return (epoch + index % self.echo) // self.echo

    def validates(self, epoch: int) -> bool:
        """Whether validation follows ``epoch`` (counted from 0)."""
        return (epoch + 1) % self.validate_every == 0 or epoch + 1 == self.epochs

    def phase(self, epoch: int) -> "Recipe":
        """The recipe that holds in ``epoch`` (counted from 0): this one, or what the final epochs make of it."""
        if epoch < self.epochs - round(self.final_share * self.epochs):
            return self
        final = replace(self, size=self.final_size, min_scale=self.final_scale)
        return replace(final, augmentation="none", mixup=0.0, cutmix=0.0)

    def first_trained_stage(self, epoch: int) -> int:
        """Staged unfreezing: the lowest stage that is trained in ``epoch`` (counted from 0).

        After a probe the head is already fitted and ``layer4`` joins at once; a random head gets a turn alone.
        """
        if self.unfreeze_every == 0:
            return self.freeze
        start = HEAD - 1 if self.head == "probe" else HEAD
        return max(self.freeze, start - epoch // self.unfreeze_every)

    def to_dict(self) -> dict[str, Any]:
        """As plain values, for a checkpoint."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Recipe":
        """The inverse of `to_dict`; raises `RecipeError` for unknown names."""
        unknown = set(values) - {field.name for field in fields(cls)}
        if unknown:
            raise RecipeError(f"unknown recipe values: {', '.join(sorted(unknown))}")
        return replace(cls(), **values)


RECIPES_HELP = """\
fast     about 6 minutes; 91.5 % of validation. Trains layer4 and the head
default  about 22 minutes; 95.3 % of validation. Trains layer3, layer4 and the head
best     about 66 minutes; 96.0 % of validation. The mean of the weights of three default runs
Times are of two CPU cores that are fast at bfloat16; a quarter more on those that are not.
Every option below changes one value of the recipe; what is not given is the recipe's own (default's in brackets)."""
RECIPES = {
    "fast": Recipe(epochs=12, freeze=4, echo=4, final_share=0.0),
    "default": Recipe(),
    "best": Recipe(runs=3),
}
