"""The settings with which a run was started: kept in ``last.pt``, so that ``--resume`` needs none of them again."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from types import UnionType
from typing import Any

from finetune.network.tensor_files import CheckpointError, load_untrusted
from finetune.recipe import RECIPES, Recipe
from finetune.run.output_folder import LAST_STATE
from finetune.run.training_run import DEFAULT_CACHE_BYTES
from finetune.slimming.budget import Budget
from runtime.command_line.arguments import DEFAULT_DATA
from runtime.errors import FlowerError
from runtime.photos.preprocessing import Preprocessing


@dataclass(frozen=True)
class Settings:
    """The arguments of `finetune.train`, with its defaults, except ``output``, ``resume`` and ``report``."""

    data: Path = DEFAULT_DATA
    weights: Path | None = None
    recipe: Recipe = RECIPES["default"]
    splits: tuple[str, ...] = ("train",)
    preprocessing: Preprocessing = field(default_factory=Preprocessing)
    limit: int | None = None
    device: str = "auto"
    precision: str = "auto"
    workers: int | None = None
    cache: Path | None = None
    cache_bytes: int = DEFAULT_CACHE_BYTES
    tensorboard: bool = False
    slim: Budget | None = None

    def arguments(self) -> dict[str, Any]:
        """Return the arguments by name, for `finetune.train`."""
        return {each.name: getattr(self, each.name) for each in fields(self)}

    def options(self) -> dict[str, Any]:
        """Return the settings that determine the result, by their options; not ``--data`` and ``--weights``.

        Those may have moved; digests in ``last.pt`` tell whether they are the same.
        """
        recipe = {f"--{name.replace('_', '-')}": value for name, value in self.recipe.to_dict().items()}
        rule = self.preprocessing
        return {
            "--splits": ",".join(self.splits),
            "--limit": self.limit,
            "--device": self.device,
            "--precision": self.precision,
            "--test-size": rule.size,
            "--crop-pct": rule.crop_pct,
            "--interpolation": rule.interpolation,
            "--macs": self.slim and self.slim.macs,
            "--drop-blocks": self.slim and self.slim.drop_blocks,
            **recipe,
        }

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for ``last.pt``; paths are absolute."""
        paths = {"data": self.data, "weights": self.weights, "cache": self.cache}
        return self.arguments() | {
            "recipe": self.recipe.to_dict(),
            "preprocessing": self.preprocessing.to_dict(),
            "splits": list(self.splits),
            "slim": None if self.slim is None else self.slim.to_dict(),
            **{name: None if path is None else str(path.absolute()) for name, path in paths.items()},
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Settings":
        """Return the settings with these values; the inverse of `to_dict`.

        Raises:
            KeyError: a value is missing.
            TypeError: a value is unknown or of a wrong type.
            FlowerError: a recipe or a preprocessing with invalid values.
        """
        values = {"slim": None, **values}  # version 0.4 kept none
        for name, kind in _KINDS.items():
            if not isinstance(values[name], kind):
                raise TypeError(f"{name} is {values[name]!r}")
        paths = {name: None if values[name] is None else Path(values[name]) for name in ("data", "weights", "cache")}
        parts = {
            "recipe": Recipe.from_dict(values["recipe"]),
            "preprocessing": Preprocessing.from_dict(values["preprocessing"]),
            "splits": tuple(values["splits"]),
            "slim": None if values["slim"] is None else Budget(**values["slim"]),
        }
        return cls(**{**values, **paths, **parts})


_KINDS: dict[str, type | UnionType] = {
    "data": str,
    "weights": str | None,
    "recipe": dict,
    "splits": list,
    "preprocessing": dict,
    "limit": int | None,
    "device": str,
    "precision": str,
    "workers": int | None,
    "cache": str | None,
    "cache_bytes": int,
    "tensorboard": bool,
    "slim": dict | None,
}


def load_settings(output: Path) -> Settings | None:
    """Return the settings of the run in ``output``, or None if there is no run or one of a version that kept none.

    Raises:
        CheckpointError: the settings are damaged.
        WeightsError: ``last.pt`` is not a file of tensors.
    """
    # If the recipe has several runs, each has the settings of all together.
    path = next((each for each in (output / LAST_STATE, *output.glob(f"seed-*/{LAST_STATE}")) if each.exists()), None)
    content = load_untrusted(path) if path is not None else None
    values = content.get("settings") if isinstance(content, dict) else None
    if not isinstance(values, dict) or not values:
        return None
    try:
        return Settings.from_dict(values)
    except (KeyError, TypeError, ValueError, FlowerError) as error:
        reason = str(error).splitlines()[0]
        raise CheckpointError(f"{path}: its settings are damaged ({reason}); start again without --resume") from None


def check_same_options(settings: Settings, output: Path) -> None:
    """Check that ``settings`` are those of the run in ``output``, if there is one that kept its settings.

    Raises:
        CheckpointError: an option that determines the result differs, or as for `load_settings`.
    """
    start = load_settings(output)
    for option, value in start.options().items() if start is not None else ():
        if (given := settings.options()[option]) != value:
            raise CheckpointError(
                f"{output}: the run started with {option} {value}, not {given}; resume without this option, or choose "
                "another --output"
            )
