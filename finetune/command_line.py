"""``python -m finetune``: the options of training. `finetune.train` does the work."""

import argparse
from collections.abc import Sequence
from dataclasses import fields, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from finetune.recipe import RECIPES, RECIPES_SUMMARY, SLIM_SIZE, Recipe
from finetune.slimming.budget import Budget
from runtime.command_line.arguments import DEFAULT_DATA, add_data_argument, positive_int, whole_number
from runtime.command_line.subcommands import Command, Program
from runtime.distribution import module_command
from runtime.errors import FlowerError
from runtime.photos.preprocessing import FILTERS, Preprocessing

if TYPE_CHECKING:
    from finetune.run.settings import Settings

Values = TypeVar("Values", Recipe, Preprocessing, Budget, "Settings")
COMMAND = module_command("finetune")
GIGABYTE = 1024**3
EXAMPLES = f"""\
examples:
  {COMMAND}                                  download Oxford 102 Flowers and ImageNet weights, fine-tune
  {COMMAND} --data data --weights resnet50.pth --output runs/flowers
  {COMMAND} --resume --output runs/flowers     continue, with the data, weights and recipe of the start
  {COMMAND} --data data --recipe fast        7 minutes instead of 22 (best: 66)
  {COMMAND} --data my-plants                 your own photographs: my-plants/CLASS/*.jpg
  {COMMAND} --data data --slim runs/flowers/best.pt --macs 0.36 --output runs/slim
  {COMMAND} --data data --splits train,val   train on all labelled photographs except the test split
  torchrun --nproc-per-node 4 {COMMAND.removeprefix("python ")} --data data          train on four GPUs

Files in --output: best.pt (for {module_command("export")}), last.pt (for --resume), log.jsonl, curves.png.
During training, --output/cache holds cached features; it is removed at the end.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add all options of ``python -m finetune``."""
    _add_data_arguments(parser.add_argument_group("data and weights"))
    _add_run_arguments(parser.add_argument_group("run"))
    _add_recipe_arguments(parser.add_argument_group("recipe", RECIPES_SUMMARY))
    _add_preprocessing_arguments(
        parser.add_argument_group("preprocessing, for validation and for all model files made from the checkpoint")
    )


def _add_data_arguments(group: argparse._ArgumentGroup) -> None:
    add_data_argument(group, note="; without it, Oxford 102 Flowers, 345 MB, is downloaded if needed", default=None)
    group.add_argument(
        "--download",
        action="store_true",
        help="download Oxford 102 Flowers to --data if there is no data set (without --data, this is the default)",
    )
    group.add_argument(
        "--weights",
        type=Path,
        metavar="FILE",
        help="weights to start from: .pth, .safetensors or best.pt of a ResNet-50 (default: torchvision's, downloaded)",
    )
    group.add_argument(
        "--slim",
        type=Path,
        metavar="FILE",
        help="a finished checkpoint (best.pt), to make a smaller network from it that learns its answers",
    )
    group.add_argument(
        "--macs",
        type=float,
        metavar="N",
        help=f"with --slim: work for a photo, as a share of the full network's (default: {Budget().macs})",
    )
    group.add_argument(
        "--kept-weights",
        type=float,
        metavar="N",
        help="with --slim: weights, as a share of the full network's, for the size of the model file "
        f"(default: {Budget().weights:g})",
    )
    group.add_argument(
        "--drop-blocks",
        type=whole_number,
        metavar="N",
        help=f"with --slim: blocks that layer3 loses (default: {Budget().drop_blocks})",
    )
    group.add_argument(
        "--splits",
        choices=("train", "train,val"),
        metavar="NAMES",
        help="train; or train,val, without validation: the last epoch is the result (default: train)",
    )
    group.add_argument("--limit", type=positive_int, metavar="N", help="use at most N photographs of each split")


def _add_run_arguments(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--output", type=Path, default=Path("runs/flowers"), metavar="DIR", help="(default: runs/flowers)"
    )
    group.add_argument(
        "--resume",
        action="store_true",
        help="continue the run in --output with the options of its start (on a CPU with identical results)",
    )
    group.add_argument("--device", choices=("auto", "cpu", "cuda"), help="(default: auto)")
    group.add_argument("--precision", choices=("auto", "fp32", "bf16"), help="(default: the faster)")
    group.add_argument(
        "--workers", type=whole_number, metavar="N", help="processes that load photographs (default: cores - 1)"
    )
    group.add_argument(
        "--cache",
        type=Path,
        metavar="DIR",
        help="folder for cached features, kept for other runs (default: --output/cache, removed at the end)",
    )
    group.add_argument(
        "--cache-gb",
        type=whole_number,
        metavar="N",
        help="largest size of the cache, 0 for none (default: 4)",
    )
    group.add_argument("--tensorboard", action="store_true", default=None, help="log to --output/tensorboard as well")


def _add_recipe_arguments(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--recipe", choices=tuple(RECIPES), help="(default: default)")
    for field in fields(Recipe):
        group.add_argument(
            "--" + field.name.replace("_", "-"),
            type=type(field.default),
            metavar="X" if field.type is str else "N",
            help=f"{field.metadata['summary']} (default: {field.default})",
        )


def _add_preprocessing_arguments(group: argparse._ArgumentGroup) -> None:
    defaults = Preprocessing()
    group.add_argument("--test-size", type=int, metavar="N", help=f"(default: {defaults.size})")
    group.add_argument("--crop-pct", type=float, metavar="N", help=f"(default: {defaults.crop_pct})")
    group.add_argument("--interpolation", choices=tuple(FILTERS), help=f"(default: {defaults.interpolation})")


def run(options: argparse.Namespace) -> None:
    """Train as ``options`` say. What they do not say has its default, or with ``--resume`` the value of the start."""
    # Imported here, because torch takes seconds to import, and --help and shell completion do not need it.
    from finetune.data.what_is_there import holds_other_files
    from finetune.run.settings import Settings, load_settings
    from finetune.training.train import train

    start = (load_settings(options.output) if options.resume else None) or Settings()
    start = _with_slim(start, options)
    recipe = RECIPES[options.recipe] if options.recipe else start.recipe
    settings = _replace_given(
        start,
        recipe=_replace_given(recipe, **{field.name: getattr(options, field.name) for field in fields(Recipe)}),
        preprocessing=_replace_given(
            start.preprocessing,
            size=options.test_size,
            crop_pct=options.crop_pct,
            interpolation=options.interpolation,
        ),
        splits=tuple(options.splits.split(",")) if options.splits else None,
        cache_bytes=options.cache_gb * GIGABYTE if options.cache_gb is not None else None,
        **{
            name: getattr(options, name)
            for name in ("data", "weights", "limit", "device", "precision", "workers", "cache", "tensorboard")
        },
    )
    # Flushed, so that a log file has every line while training runs.
    report = partial(print, flush=True)
    # Where nothing was named, the folder may still be the user's own.
    unnamed = options.data is None and settings.data == DEFAULT_DATA
    download = options.download or (unnamed and not holds_other_files(settings.data))
    train(**settings.arguments(), download=download, output=options.output, resume=options.resume, report=report)


def _with_slim(start: "Settings", options: argparse.Namespace) -> "Settings":
    """Return the settings with what ``--slim`` and its options change.

    Raises:
        FlowerError: options that do not belong together.
    """
    if options.slim is not None:
        if options.weights is not None:
            raise FlowerError("--slim and --weights both name the weights to start from; give one of them")
        start = replace(start, weights=options.slim, slim=start.slim or Budget())
        if not options.resume:
            start = replace(start, recipe=RECIPES["slim"], preprocessing=replace(start.preprocessing, size=SLIM_SIZE))
    budget = {"macs": options.macs, "weights": options.kept_weights, "drop_blocks": options.drop_blocks}
    if start.slim is not None:
        start = replace(start, slim=_replace_given(start.slim, **budget))
    elif any(value is not None for value in budget.values()):
        raise FlowerError("--macs, --kept-weights and --drop-blocks belong to --slim CHECKPOINT")
    return start


def _replace_given(values: Values, **given: Any) -> Values:
    """Return ``values``, a dataclass, with those of ``given`` that are not None."""
    return replace(values, **{name: value for name, value in given.items() if value is not None})


PROGRAM = Program(
    "finetune",
    Command(
        description="Fine-tune a ResNet-50 on Oxford 102 Flowers, or on your own photographs.",
        examples=EXAMPLES,
        add_arguments=add_arguments,
        run=run,
        interrupted="continue with: {command} --resume",
    ),
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run ``python -m finetune`` and return its exit status."""
    return PROGRAM.main(arguments)
