"""The Python interface of training: `train` does what ``python -m finetune`` does."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from finetune.data.class_table import class_table
from finetune.data.dataset import OXFORD, describe_dataset, read_split
from finetune.data.download import ensure_dataset, ensure_weights
from finetune.data.passed_over import passed_over
from finetune.data.photo_check import check_photographs, copies
from finetune.data.split import DataError, Split, join_splits
from finetune.network.checkpoint import load_checkpoint
from finetune.network.tensor_files import CheckpointError
from finetune.recipe import RECIPES, Recipe, RecipeError
from finetune.run.hardware import MAX_REQUESTED_WORKERS, Hardware, explain_memory_errors
from finetune.run.output_folder import check_output
from finetune.run.processes import Processes
from finetune.run.settings import Settings, check_same_options
from finetune.run.training_run import DEFAULT_CACHE_BYTES, TrainingRun
from finetune.slimming.budget import Budget
from finetune.slimming.start import SlimStart, check_full_network
from finetune.training.loop import run_epochs
from finetune.training.model_soup import runs_by_seed, write_model_soup
from finetune.training.start import start_or_resume
from runtime.distribution import module_command, tool_versions
from runtime.errors import FlowerError
from runtime.files.digest import file_digest
from runtime.photos.preprocessing import Preprocessing

DEFAULT_OUTPUT = Path("runs/flowers")
DEFAULT_PREPROCESSING = Preprocessing()
TRAINING_SPLITS = (("train",), ("train", "val"))
"""What may be trained on."""


@dataclass(frozen=True)
class TrainingResult:
    """The result of `train`."""

    checkpoint: Path
    """``best.pt``, for ``python -m export`` and `finetune.network.checkpoint.load_checkpoint`."""
    classes: tuple[str, ...]
    """The class names, in the order of the logits."""
    metrics: dict[str, Any]
    """The metrics in the checkpoint. With validation: ``val_loss``, ``val_top1``, ``val_top5`` and
    ``val_mean_per_class`` (accuracies are fractions from 0 to 1) of the averaged weights, and ``val_images``. For one
    run also the rest of the best epoch's record."""
    history: list[dict[str, Any]]
    """The records of ``log.jsonl``, one per epoch. Empty if the recipe has several runs."""
    recipe: Recipe
    runs: tuple["TrainingResult", ...] = ()
    """If the recipe has several runs: the result of each, in the order of their seeds."""


@explain_memory_errors()
def train(
    data: str | os.PathLike[str],
    *,
    download: bool = False,
    weights: str | os.PathLike[str] | None = None,
    recipe: str | Recipe = "default",
    output: str | os.PathLike[str] = DEFAULT_OUTPUT,
    splits: Sequence[str] = ("train",),
    preprocessing: Preprocessing = DEFAULT_PREPROCESSING,
    limit: int | None = None,
    resume: bool = False,
    device: str = "auto",
    precision: str = "auto",
    workers: int | None = None,
    cache: str | os.PathLike[str] | None = None,
    cache_bytes: int = DEFAULT_CACHE_BYTES,
    tensorboard: bool = False,
    slim: Budget | None = None,
    report: Callable[[str], None] = print,
) -> TrainingResult:
    """Fine-tune a ResNet-50 on a data set.

    Writes to ``output``: ``best.pt`` (the checkpoint of the best epoch), ``last.pt`` (the state for ``resume``),
    ``log.jsonl`` (one record per epoch), ``curves.png``, and with ``tensorboard`` the folder ``tensorboard``. A recipe
    with several runs writes these files to ``output/seed-N``, and the mean of the weights to ``output/best.pt``. Each
    file is written atomically. On a CPU, the same arguments and versions give the same weights, bit for bit.

    Args:
        data: folder of Oxford 102 Flowers, or of photographs in class-named folders.
        download: download Oxford 102 Flowers if there is no data set at ``data``.
        weights: file of a ResNet-50's weights, see `finetune.network.pretrained`; None downloads torchvision's.
        recipe: a name in `RECIPES`, or a `Recipe`.
        output: folder for the results.
        splits: ``("train",)``, or ``("train", "val")`` without validation; then the last epoch is the result.
        preprocessing: of photographs in validation; part of the checkpoint and of all model files made from it.
        limit: use at most this many photographs of each split.
        resume: continue the run in ``output``, if there is one. Recipe, data and weights must be the same;
            `finetune.run.settings.load_settings` returns the arguments that it was started with.
        device: ``auto``, ``cpu`` or ``cuda``.
        precision: ``fp32``, ``bf16``, or ``auto`` for the faster one.
        workers: processes that load photographs; None: one less than the cores.
        cache: folder for the caches, which is kept; None: a folder in ``output``, which is removed at the end.
        cache_bytes: largest size of the caches; 0 for none.
        tensorboard: log for TensorBoard as well.
        slim: make the network of ``weights``, which must be a checkpoint, smaller before it is trained; then it learns
            the answers of the full one.
        report: receives the lines of the report, in the main process only.

    Returns:
        The checkpoint's path, classes and metrics, and the history.

    Raises:
        FlowerError: an invalid argument, a data set or weights that cannot be read or downloaded, an output folder
            that cannot be used, not enough memory, or a loss that is not finite. The message is one line.
    """
    data, output = Path(data), Path(output)
    recipe = _find_recipe(recipe)
    settings = Settings(
        data=data,
        weights=Path(weights) if weights is not None else None,
        recipe=recipe,
        splits=tuple(splits),
        preprocessing=preprocessing,
        limit=limit,
        device=device,
        precision=precision,
        workers=workers,
        cache=Path(cache) if cache is not None else None,
        cache_bytes=cache_bytes,
        tensorboard=tensorboard,
        slim=slim,
    )
    _check_arguments(splits, limit, workers, cache_bytes)
    if slim is not None and (weights is None or recipe.runs > 1):
        raise FlowerError("a slim network is made from one checkpoint, in one run; give it with --slim, and --runs 1")
    check_output(output, several_runs=recipe.runs > 1, resume=resume)
    if tensorboard and find_spec("tensorboard") is None:
        raise FlowerError("--tensorboard needs TensorBoard: pip install 'flower-edge[tensorboard]'")
    processes = Processes.connect(device)
    if slim is not None and processes.count > 1:
        # Rounding differs between processes, and they must not choose different channels.
        raise FlowerError("--slim runs in one process; start it without torchrun")

    def report_once(line: str) -> None:
        if processes.is_main:
            report(line)

    hardware = Hardware.detect(device, precision, workers, processes)
    # Another machine, on which the run is resumed, may choose others.
    settings = replace(settings, device=hardware.device.type, precision="bf16" if hardware.bfloat16 else "fp32")
    if resume:
        check_same_options(settings, output)
    if slim is not None and weights is not None and not _may_be_checkpoint(Path(weights)):
        raise FlowerError(
            f"{weights}: --slim takes the checkpoint of a finished run (best.pt); {module_command('export')} restore "
            "makes one from a model file"
        )
    if weights is not None and not Path(weights).is_file():
        raise FlowerError(f"{weights}: no such weights file; without --weights, torchvision's are downloaded")
    ensure_dataset(data, download=download, report=report_once)
    train_split, val_split = _read_splits(data, splits, limit)
    processes.check_batch_size(recipe, len(train_split))
    descriptions = [split.describe() for split in (train_split, val_split) if split is not None]
    report_once(f"data     {', '.join(descriptions)}, {len(train_split.classes)} classes")
    for line in class_table(train_split, val_split):
        report_once(f"classes  {line}")
    if describe_dataset(data) != OXFORD:
        for line in passed_over(data):
            report_once(f"data     {line}")
    test_split = _read_test_split(data, limit, report_once)
    used = [split for split in (train_split, val_split, test_split) if split is not None]
    if processes.is_main:
        check_photographs(used)
    for line in copies(used):
        report_once(f"data     {line}")

    weights = Path(weights) if weights is not None else ensure_weights()
    report_once(f"weights  {weights.name}")
    slim_start = SlimStart(load_checkpoint(weights), slim) if slim is not None else None
    if slim_start is not None:
        check_full_network(slim_start.full, train_split, splits)
    several = f", {processes.count} processes" if processes.count > 1 else ""
    report_once(f"machine  {hardware.describe()}{several}")
    run = TrainingRun(
        recipe=recipe,
        preprocessing=preprocessing,
        train=train_split,
        val=val_split,
        output=output,
        provenance={
            **_provenance(settings, weights, hardware, train=train_split, val=val_split, test=test_split),
            **({"full_network": slim_start.full.provenance} if slim_start is not None else {}),
        },
        versions=tool_versions("torch", "torchvision", "numpy", "pillow"),
        hardware=hardware,
        processes=processes,
        cache=Path(cache) if cache is not None else None,
        cache_bytes=cache_bytes,
        tensorboard=tensorboard,
        settings=settings.to_dict(),
        trained_on=_trained_on(train_split, slim_start),
        report=report_once,
    )
    runs = tuple(_train_one(part, weights, slim_start, resume=resume) for part in runs_by_seed(run))
    if recipe.runs == 1:
        result = runs[0]
    else:
        soup = write_model_soup(run, [part.checkpoint for part in runs])
        result = replace(_result(run, soup, []), runs=runs)
    report_once(f"next     {module_command('export')} --checkpoint {result.checkpoint} --data {data} --quantize int8")
    return result


def _may_be_checkpoint(path: Path) -> bool:
    return path.is_file() and path.suffix not in (".onnx", ".ort")


def _find_recipe(recipe: str | Recipe) -> Recipe:
    if isinstance(recipe, Recipe):
        return recipe
    if recipe not in RECIPES:
        raise RecipeError(f"no recipe {recipe!r}; the recipes are {', '.join(RECIPES)}")
    return RECIPES[recipe]


def _check_arguments(splits: Sequence[str], limit: int | None, workers: int | None, cache_bytes: int) -> None:
    if tuple(splits) not in TRAINING_SPLITS:
        raise FlowerError(f"splits must be one of {', '.join(map(str, TRAINING_SPLITS))}, not {splits!r}")
    if (limit is not None and limit < 1) or cache_bytes < 0:
        raise FlowerError("limit must be at least 1, and cache_bytes at least 0")
    if workers is not None and not 0 <= workers <= MAX_REQUESTED_WORKERS:
        raise FlowerError(f"workers must be 0 to {MAX_REQUESTED_WORKERS}; each is a process with a copy of torch")


def _read_splits(data: Path, splits: Sequence[str], limit: int | None) -> tuple[Split, Split | None]:
    """Return the photographs to train on, and those for validation if they are not trained on."""
    train_split = join_splits([read_split(data, name).head(limit) for name in splits])
    if len(train_split) < 2:
        raise FlowerError("BatchNorm needs at least two training photographs; use a larger --limit")
    return train_split, None if "val" in splits else read_split(data, "val").head(limit)


def _read_test_split(data: Path, limit: int | None, report: Callable[[str], None]) -> Split | None:
    """Return the test photographs, which are not trained on, but checked: the export reads them hours later."""
    try:
        return read_split(data, "test").head(limit)
    except DataError as error:
        report(f"data     without test photographs, export with --evaluate none ({error})")
        return None


def _provenance(
    settings: Settings, weights: Path, hardware: Hardware, *, train: Split, val: Split | None, test: Split | None
) -> dict[str, Any]:
    """Return what the result depends on besides the recipe, and the photographs that were held out."""
    return {
        "dataset": describe_dataset(settings.data),
        "limit": settings.limit,
        "train_split": train.name,
        "train_images": len(train),
        "train_sha256": train.digest(),
        "val_images": len(val) if val is not None else 0,
        "val_sha256": val.digest() if val is not None else None,
        "test_images": len(test) if test is not None else 0,
        "test_sha256": test.digest() if test is not None else None,
        "weights": os.fsencode(weights.name).decode(errors="replace"),
        "weights_sha256": file_digest(weights),
        "device": hardware.device.type,
        "precision": hardware.precision,
    }


def _trained_on(train: Split, slim: SlimStart | None) -> tuple[str, ...]:
    """Return the digests of the photographs that shape the weights, also through the network that is made slim."""
    own = train.fingerprints()
    return own if slim is None else (*own, *sorted({*slim.full.trained_on} - {*own}))


def _train_one(run: TrainingRun, weights: Path, slim: SlimStart | None, *, resume: bool) -> TrainingResult:
    """Train with one seed, or continue a run that was stopped."""
    state = start_or_resume(run, weights, slim, resume=resume)
    checkpoint = run_epochs(run, state)
    if run.val is not None:
        run.report(f"best     validation top-1 {state.best_top1():.2%} on {len(run.val):,} images: {checkpoint}")
    else:
        run.report(f"last     {checkpoint}")
    return _result(run, checkpoint, state.history)


def _result(run: TrainingRun, checkpoint: Path, history: list[dict[str, Any]]) -> TrainingResult:
    if not checkpoint.is_file():
        raise CheckpointError(
            f"{checkpoint}: the run is complete, but its checkpoint is missing; start again without --resume"
        )
    metrics = load_checkpoint(checkpoint).metrics
    return TrainingResult(checkpoint, run.train.classes, metrics, history, run.recipe)
