"""Measures the peak memory of a watch until it has answered a number of photos.

Usage: python -m benchmarks.workers.measured_watch PHOTOS COMMAND…

This process is small: the peak that the system reports for a child is at least the memory of its parent.
"""

import json
import os
import subprocess
import sys


def measure(photos: int, command: list[str]) -> int:
    """Return the peak memory of ``command`` in bytes. It is stopped after it has printed a line for each photo."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        for _ in range(photos):
            line = process.stdout.readline() if process.stdout else ""
            if '"predictions"' not in line:
                process.kill()
                sys.exit(f"the watch did not answer a photo: {line.strip() or 'it ended'}")
        process.terminate()  # a shell lets processes in the background ignore Ctrl-C's signal
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    return usage.ru_maxrss * 1024


if __name__ == "__main__":
    print(json.dumps({"peak_bytes": measure(int(sys.argv[1]), sys.argv[2:])}))
