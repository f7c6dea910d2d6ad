"""Peak memory of ``flower-infer`` on the largest photos that it accepts: one, a folder and a watched folder."""

import json
import tempfile
from pathlib import Path
from typing import Any

from tqdm import tqdm

from benchmarks.core.process_timing import infer_command, measure_commands, run_worker
from benchmarks.fuzzing.largest_photos import LARGEST_PHOTOS

THREADS = 4
"""As on a Raspberry Pi Zero 2 W. Each thread may decode a photo."""


def measure_largest_photos() -> list[dict[str, Any]]:
    """Measure each kind of photo in a process of its own, then all of them together, twice each.

    Returns:
        Rows with ``name``, ``bytes`` of the files and ``peak_bytes`` of the process.
    """
    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for index, (kind, make) in enumerate(tqdm(LARGEST_PHOTOS.items(), desc="largest photos", disable=None)):
            # The runtime looks into the file for its format.
            paths = [folder / f"{index}-{copy}.jpg" for copy in range(2)]
            content = make()
            for path in paths:
                path.write_bytes(content)
            measured = measure_commands({kind: [*infer_command(THREADS, paths[0]), "--json"]}, 1)[kind]
            rows.append({"name": kind, "bytes": len(content), "peak_bytes": float(measured["peak_bytes"][0])})
        total = sum(path.stat().st_size for path in folder.iterdir())
        measured = measure_commands({"folder": [*infer_command(THREADS, folder), "--json"]}, 1)["folder"]
        both = {"bytes": total, "files": 2 * len(LARGEST_PHOTOS)}
        rows.append({"name": "all in a folder", **both, "peak_bytes": float(measured["peak_bytes"][0])})
        command = [*infer_command(THREADS), "--watch", str(folder)]
        watched = json.loads(run_worker("watch", "measured_watch", str(both["files"]), *command))
        rows.append({"name": "all in a watched folder", **both, "peak_bytes": float(watched["peak_bytes"])})
    return rows
