"""`LocalEngine`: processes on this machine, each with one session of few threads.

Several processes with one thread each answer more photos than one process with several threads: the network's layers
are too small to divide, and decoding and Python's own work run in parallel as well.
"""

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import replace
from itertools import islice

from runtime.errors import FlowerError
from runtime.inference.memory_settings import reserve_little_memory
from runtime.services.archive.answering import Answerer, AnswerSettings, killed_row
from runtime.services.archive.engines.engine import Task
from runtime.services.archive.row import Row

QUEUED_TASKS = 2
"""Tasks for each process that are begun or wait, so that no process waits for work."""

_answerer: Answerer | None = None
"""Of this process, if it is one that answers."""


class LocalEngine:
    """Answers tasks in processes. See `runtime.services.archive.engines.engine.Engine`.

    Args:
        settings: for the processes.
        processes: their number.
        prepare: is called first in each process; a function of a module.
    """

    def __init__(self, settings: AnswerSettings, processes: int, prepare: Callable[[], None] | None = None) -> None:
        self._settings, self._processes, self._prepare = settings, processes, prepare

    def answer(self, tasks: Iterable[Task]) -> Iterator[tuple[Task, list[Row]]]:
        """Yield each task with its rows.

        Raises:
            FlowerError: the processes cannot be started.
        """
        waiting = iter(tasks)
        while True:
            lost: list[Task] = []
            with self._pool(self._processes) as pool:
                yield from self._answer_until_loss(pool, waiting, lost)
            if not lost:
                return
            # One of these photos may have ended its process. Which one is found out one process at a time.
            yield from self._answer_lost(lost)

    def _answer_until_loss(
        self, pool: ProcessPoolExecutor, tasks: Iterator[Task], lost: list[Task]
    ) -> Iterator[tuple[Task, list[Row]]]:
        """Yield tasks with their rows until all are done or a process is killed; then ``lost`` gets what had begun."""
        running: dict[Future[list[Row]], Task] = {}
        while True:
            try:
                for task in islice(tasks, QUEUED_TASKS * self._processes - len(running)):
                    running[pool.submit(_answer, task)] = task
            except BrokenProcessPool:
                lost.append(task)
            if not running:
                return
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                task = running.pop(future)
                try:
                    rows = future.result()
                except BrokenProcessPool:
                    lost.append(task)
                else:
                    yield task, rows
            if lost:
                lost.extend(running.values())
                return

    def _answer_lost(self, lost: Iterable[Task]) -> Iterator[tuple[Task, list[Row]]]:
        """Answer tasks whose process was killed. A photo that ends its process again gets an error."""
        waiting = deque(lost)
        while waiting:
            with self._pool(1) as pool:
                _check_start(pool)
                while waiting:
                    task = waiting.popleft()
                    try:
                        yield task, pool.submit(_answer, task).result()
                    except BrokenProcessPool:
                        if len(task.photos) == 1:
                            yield task, [killed_row(task.photos[0], self._settings.digest)]
                        else:
                            waiting.extendleft(_halves(task))
                        break

    @contextmanager
    def _pool(self, processes: int) -> Iterator[ProcessPoolExecutor]:
        # A forked process would have the locks of onnxruntime's threads, but not the threads.
        pool = ProcessPoolExecutor(
            processes,
            mp_context=multiprocessing.get_context("spawn"),
            initializer=_start,
            initargs=(self._settings, self._prepare),
        )
        try:
            yield pool
        except BaseException:  # Ctrl-C, or the table cannot be written
            for process in multiprocessing.active_children():
                process.terminate()
            raise
        finally:
            pool.shutdown(cancel_futures=True)


def _check_start(pool: ProcessPoolExecutor) -> None:
    """Raise `FlowerError` if a process cannot start, which says nothing about a photo."""
    try:
        pool.submit(os.getpid).result()
    except BrokenProcessPool:
        raise FlowerError(
            "a process that answers photos ends as it starts; is there enough memory? Try fewer --processes"
        ) from None


def _halves(task: Task) -> tuple[Task, Task]:
    """Return the second and the first half of a task."""
    half = len(task.photos) // 2
    first, second = (
        replace(task, positions=task.positions[part], photos=task.photos[part])
        for part in (slice(None, half), slice(half, None))
    )
    return second, first


def _start(settings: AnswerSettings, prepare: Callable[[], None] | None) -> None:
    """Prepare a process that answers photos."""
    global _answerer
    # Ctrl-C reaches all processes of a terminal; the main process ends the others in order.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    reserve_little_memory()
    if prepare is not None:
        prepare()
    _answerer = Answerer(settings)


def _end_with_parent() -> None:
    """End this process when the main process ends, in whatever way. Otherwise it would wait for work for ever."""
    if (parent := multiprocessing.parent_process()) is not None:
        parent.join()
        os._exit(1)


def _answer(task: Task) -> list[Row]:
    assert _answerer is not None  # noqa: S101 (set by the initializer)
    return _answerer.answer(task.photos)
