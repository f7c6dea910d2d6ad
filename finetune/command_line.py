"""``python -m finetune``: the command line of training."""

import argparse
import dataclasses
import tempfile
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import torch

from finetune.data.dataset import describe_dataset, read_split
from finetune.data.download import ensure_dataset, ensure_weights
from finetune.data.split import join_splits
from finetune.network.photo_network import PhotoNetwork
from finetune.network.pretrained import load_pretrained
from finetune.recipe import RECIPES, RECIPES_HELP, Recipe
from finetune.run.hardware import Hardware, memory_errors_explained
from finetune.run.processes import Processes
from finetune.run.random_seeds import derived_seed
from finetune.run.training_run import TrainingRun
from finetune.run.training_state import LAST, TrainingState, load_state, new_state
from finetune.training.linear_probe import fit_head
from finetune.training.loop import run_epochs
from finetune.training.model_soup import runs_by_seed, write_model_soup
from runtime.command_line.arguments import positive_int, whole_number
from runtime.command_line.program import run_command
from runtime.distribution import tool_versions
from runtime.errors import FlowerError
from runtime.files.digest import file_digest
from runtime.photos.preprocessing import FILTERS, Preprocessing

EXAMPLES = """\
examples:
  python -m finetune                                  fetch Oxford 102 Flowers and ImageNet weights, fine-tune
  python -m finetune --data data --weights resnet50.pth --output runs/flowers
  python -m finetune --data data --output runs/flowers --resume
  python -m finetune --data data --recipe fast        6 minutes instead of 22 (best: 66)
  python -m finetune --data my-plants                 your own: my-plants/CLASS/*.jpg
  python -m finetune --data data --splits train,val   the product's model: all labelled images but the test images
  torchrun --nproc-per-node 4 -m finetune --data data          four GPUs

Writes to --output: best.pt (for python -m export), last.pt (for --resume), log.jsonl, curves.png.
While it runs, --output/cache holds what is computed once; it is removed at the end.
"""

DEFAULT_CACHE_GB = 4
RECIPE_HELP = {
    "epochs": "passes over the training photographs",
    "batch_size": "photographs a step",
    "size": "side of the training crops, pixels",
    "min_scale": "smallest share of a photo's area that a crop takes",
    "final_share": "share of the epochs, the last ones, on photographs more like the test's",
    "final_size": "side of their crops, pixels",
    "final_scale": "smallest share of a photo's area that those take",
    "augmentation": "trivial, rand or none",
    "echo": "epochs that an augmented view serves, 1 for a new one every epoch",
    "erasing": "chance that a rectangle of a crop is blanked",
    "margin": "pixels by which a view is larger than the crops taken from it",
    "mixup": "alpha of MixUp, 0 for none",
    "cutmix": "alpha of CutMix, 0 for none",
    "optimizer": "sgd or adamw",
    "lr": "peak learning rate of layer4",
    "head_lr": "peak learning rate of the head",
    "stage_decay": "each stage's rate relative to the stage above",
    "weight_decay": "on weights, not on biases and BatchNorm",
    "decay": "what it shrinks: weights, or all (BatchNorm and biases, too)",
    "label_smoothing": "share of the target spread over all classes",
    "warmup_epochs": "epochs until the peak learning rate",
    "clip_norm": "largest norm of the gradient",
    "average": "of the weights: ema, swa or none",
    "average_decay": "of the exponential moving average",
    "batchnorm": "statistics in the trained stages: train or frozen",
    "freeze": "stages that are never trained (1: stem, 2: and layer1, … 5: all but the head)",
    "unfreeze_every": "epochs between one stage joining and the next, 0 for all at once",
    "head": "where the head starts: probe or random",
    "validate_every": "epochs from one validation to the next",
    "seed": "of everything random",
    "runs": "seeds, from that one up, the mean of whose weights is kept",
}


def build_parser() -> argparse.ArgumentParser:
    """The options of ``python -m finetune``."""
    parser = argparse.ArgumentParser(
        prog="python -m finetune",
        description="Fine-tune a ResNet-50 on Oxford 102 Flowers.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    data = parser.add_argument_group("data and weights")
    data.add_argument(
        "--data",
        type=Path,
        default=Path("data"),
        metavar="DIR",
        help="the data set; downloaded to here if it is not there, 345 MB (default: data)",
    )
    data.add_argument(
        "--weights",
        type=Path,
        metavar="FILE",
        help="ImageNet weights, a resnet50 state dict (default: torchvision's)",
    )
    data.add_argument(
        "--splits",
        choices=("train", "train,val"),
        metavar="NAMES",
        default="train",
        help="train, or train,val, without validation: the last epoch is kept (default: train)",
    )
    data.add_argument(
        "--limit", type=positive_int, metavar="N", help="use only N images of each split, to try things out"
    )
    run = parser.add_argument_group("run")
    run.add_argument("--output", type=Path, default=Path("runs/flowers"), metavar="DIR", help="(default: runs/flowers)")
    run.add_argument("--resume", action="store_true", help="go on with the run in --output (on a CPU: bit for bit)")
    run.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto", help="(default: auto)")
    run.add_argument("--precision", choices=("auto", "fp32", "bf16"), default="auto", help="(default: the faster)")
    run.add_argument(
        "--workers", type=whole_number, metavar="N", help="processes that load photos (default: cores - 1)"
    )
    run.add_argument(
        "--cache",
        type=Path,
        metavar="DIR",
        help="for what is computed once, kept for other runs (default: --output/cache, removed at the end)",
    )
    run.add_argument(
        "--cache-gb",
        type=whole_number,
        metavar="N",
        default=DEFAULT_CACHE_GB,
        help="disk for what is computed once, 0 for none (default: %(default)s)",
    )
    run.add_argument("--tensorboard", action="store_true", help="log to --output/tensorboard as well")
    recipe = parser.add_argument_group("recipe", RECIPES_HELP)
    recipe.add_argument("--recipe", choices=tuple(RECIPES), default="default", help="(default: default)")
    for field in dataclasses.fields(Recipe):
        recipe.add_argument(
            "--" + field.name.replace("_", "-"),
            type=type(field.default),
            metavar="X" if field.type is str else "N",
            help=f"{RECIPE_HELP[field.name]} (default: {field.default})",
        )
    preprocessing = parser.add_argument_group(
        "preprocessing, for validation and in everything made from the checkpoint"
    )
    defaults = Preprocessing()
    preprocessing.add_argument(
        "--test-size", type=int, default=defaults.size, metavar="N", help="(default: %(default)s)"
    )
    preprocessing.add_argument(
        "--crop-pct", type=float, default=defaults.crop_pct, metavar="N", help="(default: %(default)s)"
    )
    preprocessing.add_argument("--interpolation", choices=tuple(FILTERS), default=defaults.interpolation)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run ``python -m finetune`` and return its exit status."""
    options = build_parser().parse_args(arguments)
    return run_command(
        "finetune",
        lambda: _finetune(options),
        interrupted=f"go on with: python -m finetune --output {options.output} --resume and the same options",
    )


@memory_errors_explained()
def _finetune(options: argparse.Namespace) -> None:
    given = {field.name: getattr(options, field.name) for field in dataclasses.fields(Recipe)}
    recipe = dataclasses.replace(
        RECIPES[options.recipe], **{name: value for name, value in given.items() if value is not None}
    )
    preprocessing = Preprocessing(options.test_size, options.crop_pct, options.interpolation)
    _check_output(options.output, several=recipe.runs > 1, resume=options.resume)
    if options.tensorboard and find_spec("tensorboard") is None:
        raise FlowerError("--tensorboard needs TensorBoard: pip install 'flower-edge[tensorboard]'")
    processes = Processes.join(options.device)

    def report(line: str) -> None:
        if processes.is_first:
            print(line, flush=True)

    hardware = Hardware.detect(options.device, options.precision, options.workers, processes)
    if options.weights is not None and not options.weights.is_file():
        raise FlowerError(f"{options.weights}: no such weights file; without --weights, torchvision's are fetched")
    ensure_dataset(options.data)
    names = options.splits.split(",")
    train_split = join_splits([read_split(options.data, name).head(options.limit) for name in names])
    val_split = None if "val" in names else read_split(options.data, "val").head(options.limit)
    if len(train_split) < 2:
        raise FlowerError("one training photograph is too few: BatchNorm needs company; use a larger --limit")
    processes.check(recipe, len(train_split))
    described = [split.describe() for split in (train_split, val_split) if split is not None]
    report(f"data     {', '.join(described)}, {len(train_split.classes)} classes")

    weights = options.weights or ensure_weights()
    report(f"weights  {weights.name}")
    report(f"machine  {hardware.describe()}{f', {processes.count} processes' if processes.count > 1 else ''}")
    run = TrainingRun(
        recipe=recipe,
        preprocessing=preprocessing,
        train=train_split,
        val=val_split,
        output=options.output,
        provenance={
            "dataset": describe_dataset(options.data),
            "train_split": train_split.name,
            "train_images": len(train_split),
            "train_sha256": train_split.digest(),
            "val_images": len(val_split) if val_split is not None else 0,
            "val_sha256": val_split.digest() if val_split is not None else None,
            "weights": weights.name,
            "weights_sha256": file_digest(weights),
            "device": hardware.device.type,
            "precision": hardware.precision,
        },
        versions=tool_versions("torch", "torchvision", "numpy", "pillow"),
        hardware=hardware,
        processes=processes,
        cache=options.cache,
        cache_bytes=int(options.cache_gb * 1024**3),
        tensorboard=options.tensorboard,
        report=report,
    )
    paths = [_trained(part, weights, options.resume) for part in runs_by_seed(run)]
    best = paths[0] if recipe.runs == 1 else write_model_soup(run, paths)
    report(f"next     python -m export --checkpoint {best} --data {options.data} --quantize int8")


def _check_output(output: Path, *, several: bool, resume: bool) -> None:
    """Raise `FlowerError` if a run must not or cannot be written to ``output``; now, and not after the linear probe."""
    one, parts = (output / LAST).exists(), any(output.glob(f"seed-*/{LAST}"))
    if one if several else parts:
        held, wanted = ("one run", "several") if several else ("several runs", "one")
        raise FlowerError(f"{output}: holds {held}, whose best.pt {wanted} would replace; choose another --output")
    if (one or parts) and not resume:
        raise FlowerError(f"{output}: holds a run already; go on with it by --resume, or choose another --output")
    place = output
    while not place.exists():
        place = place.parent
    try:
        with tempfile.TemporaryFile(dir=place):
            pass
    except OSError as error:
        raise FlowerError(f"{output}: cannot be written ({error.strerror}); choose another --output") from None


def _trained(run: TrainingRun, weights: Path, resume: bool) -> Path:
    """Train, or go on where the run was stopped, and return the best checkpoint."""
    recipe, last = run.recipe, run.output / LAST
    torch.manual_seed(derived_seed(recipe.seed))
    network = PhotoNetwork(len(run.train.classes))
    load_pretrained(network, weights)
    if resume and last.exists():
        state = load_state(run, new_state(run, network))
        run.report(f"resumed  after epoch {state.epoch} of {recipe.epochs}")
    else:
        if resume:
            run.report(f"resumed  nothing: {run.output} holds no state yet; starting from the beginning")
        state = _fresh_state(run, network)
    best = run_epochs(run, state)
    if run.val is not None:
        run.report(f"best     validation top-1 {state.best_top1():.2%} on {len(run.val):,} images: {best}")
    else:
        run.report(f"last     {best}")
    return best


def _fresh_state(run: TrainingRun, network: PhotoNetwork) -> TrainingState:
    if run.recipe.head == "probe":
        run.hardware.place(network)
        loss = fit_head(network, run.train, run.preprocessing, run.hardware.autocast)
        # Each has fitted the same head, but for rounding, which depends on how many threads a process has.
        run.processes.agree(network.resnet.fc)
        run.report(f"probe    head fitted on frozen features, loss {loss:.3f}")
    return new_state(run, network)
