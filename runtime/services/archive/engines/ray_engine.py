"""`RayEngine`: processes on the machines of a cluster, through Ray Data.

Ray gives the tasks of a process or machine that was killed to another one. The main process sees to it that each task
is answered once, whatever Ray does: it drops what comes twice, and gives what is missing at the end out again.
"""

import logging
import math
import os
import re
import signal
import socket
import warnings
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from itertools import islice
from typing import Any

from runtime.distribution import install_command
from runtime.errors import FlowerError, MissingPhotoError, debugging
from runtime.inference.shipped_models import SHIPPED_MODELS
from runtime.services.archive.answering import AnswerSettings, killed_row
from runtime.services.archive.engines.engine import Task
from runtime.services.archive.engines.ray_process import NUMBER, PROBLEM, ROWS, TASK, RayProcess, Setup, pack, unpack
from runtime.services.archive.row import Row

TASKS_PER_CPU, MOST_TASKS = 400, 20_000
"""Tasks in a dataset: for each CPU of the cluster, and at most. A dataset of Ray is known from its beginning to its
end, so that an archive of any size needs several. Each starts processes of its own, which takes seconds; with so many
tasks it answers for minutes."""
TASKS_PER_BLOCK, QUEUED_BLOCKS = 4, 2
"""Tasks that Ray carries together, because each block costs the main process about 10 ms; and blocks that a process
answers or has waiting. All of them are given out again if it is killed."""
RETRIES = 3
"""How often Ray gives out a task again whose process or machine was killed."""
STARTS = 3
"""How many processes in a row may end as they start before the run ends."""
OBJECT_STORE_BYTES = 128 * 1024**2
"""Shared memory of a Ray that this program starts. Ray's default is 30 % of the memory, but tasks and rows are
small."""
QUIET = {"RAY_BACKEND_LOG_LEVEL": "fatal", "RAY_DATA_LOG_LEVEL": "CRITICAL"}
"""Environment variables without which Ray writes to standard error."""

STANDARD_ERROR = 2
CONNECT_S = 10
"""Longest time in which the address of a cluster must answer."""


class RayEngine:
    """Answers tasks on a cluster of Ray. See `runtime.services.archive.engines.engine.Engine`.

    Each process needs as many CPUs as the settings say threads, and opens the model once.

    Args:
        settings: for the processes.
        address: of a cluster, one of whose machines this is: ``HOST:PORT`` or ``auto``; None to start Ray on this
            machine and stop it at the end.
        processes: the most; None for as many as the cluster has CPUs for.
    """

    def __init__(self, settings: AnswerSettings, *, address: str | None = None, processes: int | None = None) -> None:
        names = {str(path): name for name, path in SHIPPED_MODELS.items()}
        # Other machines may have the package in another folder, and have no access to the index.
        index = settings.index if address is None else None
        self._settings = replace(settings, model=names.get(settings.model, settings.model), index=index)
        self._address, self._processes = address, processes

    def answer(self, tasks: Iterable[Task]) -> Iterator[tuple[Task, list[Row]]]:
        """Yield each task with its rows.

        Raises:
            FlowerError: Ray is not installed, there is no connection to the cluster, or its machines cannot answer.
        """
        if self._address is not None:
            _require_server(self._address)
        ray = _load_ray()
        setup = Setup.of_this_machine(self._settings)
        waiting = iter(tasks)
        with self._connected(ray):
            while True:
                size = min(MOST_TASKS, TASKS_PER_CPU * _cpus(ray))
                packed = [pack(task) for task in islice(waiting, size)]
                if not packed:
                    return
                lost = yield from self._answer_dataset(ray, setup, packed)
                yield from self._answer_lost(ray, setup, [unpack(each) for each in lost])

    def _answer_dataset(
        self, ray: Any, setup: Setup, packed: Sequence[bytes], *, alone: bool = False
    ) -> Generator[tuple[Task, list[Row]], None, list[bytes]]:
        """Yield packed tasks with their rows, and return those of which Ray lost the processes too often.

        Args:
            ray: the module.
            setup: for the processes.
            packed: the tasks.
            alone: whether a process gets one task at a time, so that no other task is lost with it.
        """
        left = dict(enumerate(packed))
        blocks = len(packed) if alone else math.ceil(len(packed) / TASKS_PER_BLOCK)
        most = blocks if self._processes is None else min(blocks, self._processes)
        tasks = ray.data.from_items(
            [{NUMBER: number, TASK: task} for number, task in left.items()], override_num_blocks=blocks
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # `max_task_retries` will have another place in Ray 2.64
            dataset = tasks.map_batches(
                RayProcess,
                fn_constructor_args=(setup,),
                batch_size=None,
                batch_format="pyarrow",
                compute=ray.data.ActorPoolStrategy(
                    min_size=1,
                    max_size=most,
                    initial_size=max(1, min(most, _cpus(ray) // self._settings.threads)),
                    max_tasks_in_flight_per_actor=1 if alone else QUEUED_BLOCKS,
                ),
                num_cpus=self._settings.threads,
                max_restarts=-1,
                max_task_retries=RETRIES,
            )
        try:
            for table in dataset.iter_batches(batch_size=None, batch_format="pyarrow", prefetch_batches=0):
                for record in table.to_pylist():
                    if record[PROBLEM]:
                        raise FlowerError(record[PROBLEM])
                    if (task := left.pop(record[NUMBER], None)) is not None:
                        yield _checked(unpack(task), unpack(record[ROWS]))
        except ray.exceptions.RayError as error:
            reason = _reason(error)
            advice = "; install the same flower-edge on all machines" if "ModuleNotFoundError" in reason else ""
            raise FlowerError(f"Ray: {reason}{advice}") from error
        return list(left.values())

    def _answer_lost(self, ray: Any, setup: Setup, lost: Sequence[Task]) -> Iterator[tuple[Task, list[Row]]]:
        """Yield tasks whose processes were killed. A photo that ends its process again, alone, gets an error."""
        alone = [
            pack(replace(task, positions=(position,), photos=(photo,)))
            for task in lost
            for position, photo in zip(task.positions, task.photos, strict=True)
        ]
        if not alone:
            return
        rows: dict[tuple[int, int], Row] = {}
        for task, (row,) in self._answer_dataset(ray, setup, alone, alone=True):
            rows[task.part, task.positions[0]] = row
        for task in lost:
            places = zip(task.positions, task.photos, strict=True)
            digest = self._settings.digest
            yield task, [rows.get((task.part, position)) or killed_row(photo, digest) for position, photo in places]

    @contextmanager
    def _connected(self, ray: Any) -> Iterator[None]:
        """Start Ray on this machine, or join the cluster, until the end of the context."""
        handler = signal.getsignal(signal.SIGTERM)
        options: dict[str, Any] = {"include_dashboard": False, "log_to_driver": False}
        options["logging_level"] = logging.INFO if debugging() else logging.CRITICAL
        if self._address is None:
            cpus = None if self._processes is None else self._processes * self._settings.threads
            options |= {"num_cpus": cpus, "object_store_memory": OBJECT_STORE_BYTES}
        try:
            with nullcontext() if debugging() else _silent():
                ray.init(self._address or "local", **options)
        except (OSError, RuntimeError, ValueError, ray.exceptions.RayError) as error:
            if self._address is None:
                raise FlowerError(f"Ray does not start ({_reason(error)}); FLOWER_EDGE_DEBUG=1 shows more") from error
            raise FlowerError(
                f"Ray at {self._address}: no connection ({_reason(error)}); a cluster with a token needs "
                "RAY_AUTH_MODE=token, see docs/archive.md"
            ) from error
        try:
            if handler is not None and signal.getsignal(signal.SIGTERM) is not handler:
                signal.signal(signal.SIGTERM, handler)  # Ray has put its own in the place of this program's
            yield
        finally:
            ray.shutdown()


def _cpus(ray: Any) -> int:
    """Return how many CPUs the machines of the cluster have now, at least 1."""
    return max(1, int(ray.cluster_resources().get("CPU", 0)))


def _load_ray() -> Any:
    """Import Ray without its messages, which `debugging` brings back.

    Raises:
        FlowerError: it is not installed.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    if not debugging():
        for variable, value in QUIET.items():
            os.environ.setdefault(variable, value)
    try:
        import ray
        import ray.data
    except ModuleNotFoundError:
        raise FlowerError(f"--engine ray needs Ray; run: {install_command('ray')}") from None
    ray._private.worker._worker_logs_enabled = False  # news of the machines would go to standard output
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    context.max_errored_blocks = -1  # tasks that are lost are given out again here
    context.max_consecutive_actor_init_deaths = STARTS
    return ray


@contextmanager
def _silent() -> Iterator[None]:
    """Lead what libraries write to standard error nowhere. Ray writes that it will write little."""
    own, null = os.dup(STANDARD_ERROR), os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, STANDARD_ERROR)
    os.close(null)
    try:
        yield
    finally:
        os.dup2(own, STANDARD_ERROR)
        os.close(own)


def _require_server(address: str) -> None:
    """Raise `FlowerError` if nothing answers at the address of a cluster. Ray itself tries it for minutes."""
    if address == "auto":
        return
    host, _, port = address.rpartition(":")
    if not re.fullmatch(r"[\w.-]+|\[[0-9a-fA-F:.%]+\]", host) or not port.isdecimal():
        raise FlowerError("the address of a cluster is HOST:PORT, or auto on a machine of the cluster")
    try:
        socket.create_connection((host.strip("[]"), int(port)), CONNECT_S).close()
    except (OSError, OverflowError) as error:
        raise FlowerError(
            f"Ray at {address}: no connection ({error}); start it by: ray start --head, and see docs/archive.md"
        ) from None


def _checked(task: Task, rows: list[Row]) -> tuple[Task, list[Row]]:
    """Return a task with its rows.

    Raises:
        FlowerError: a photo that is there is missing where it was to be read.
    """
    for photo, row in zip(task.photos, rows, strict=True):
        if row.error_kind == MissingPhotoError.kind and os.path.lexists(photo.container or photo.name):
            raise FlowerError(
                f"{photo.name}: a machine of the cluster does not see it; put the photos into a store or on a disk "
                "that all machines have under the same path"
            )
    return task, rows


def _reason(error: Exception) -> str:
    """Return what an error of Ray says, in a few words: the last line, under the traceback."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[-1] if lines else type(error).__name__)[:200]
