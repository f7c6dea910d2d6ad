"""Times the processes of `LocalEngine` on photos of an archive.

Usage: python -m benchmarks.workers.archive_throughput MODEL PROCESSES THREADS LIST

LIST is a file with the names of the photos. Prints, as JSON, the photos per second between the moment when every
process has answered and the end, when there is no more work for some of them.
"""

import json
import sys
import time

from runtime.services.archive.answering import AnswerSettings
from runtime.services.archive.assembly import TASK_PHOTOS
from runtime.services.archive.engines.engine import Task
from runtime.services.archive.engines.local_engine import QUEUED_TASKS, LocalEngine
from runtime.services.archive.sources.listing import list_archive

LEAST_TASKS = 12
"""Tasks into which few photos are divided, so that some are between the beginning and the end."""

if __name__ == "__main__":
    model, processes, threads, names = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
    photos = list(list_archive([], list_file=names))
    size = max(1, min(TASK_PHOTOS, len(photos) // LEAST_TASKS))
    tasks = [
        Task(0, tuple(range(start, start + size)), tuple(photos[start : start + size]))
        for start in range(0, len(photos), size)
    ]
    engine = LocalEngine(AnswerSettings(model=model, digest="", threads=threads), processes)
    times = []
    for task, _rows in engine.answer(tasks):
        times.append((time.perf_counter(), len(task.photos)))
    begin, end = QUEUED_TASKS * processes, len(times) - processes
    (started, _), (ended, _) = times[begin], times[end]
    print(json.dumps({"photos_per_second": sum(count for _, count in times[begin + 1 : end + 1]) / (ended - started)}))
