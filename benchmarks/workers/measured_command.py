"""Runs a command and prints, as JSON, its wall-clock seconds and its peak memory in bytes.

Usage: measured_command.py COMMAND…

It is a small process of its own, because Linux counts the memory of the parent process, before exec, in the peak of a
new process: a command that a large process started would appear as large.
"""

import json
import resource
import subprocess
import sys
import time

if __name__ == "__main__":
    started = time.perf_counter()
    done = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False)
    seconds = time.perf_counter() - started
    if done.returncode:
        sys.exit(done.stderr.strip() or f"exit status {done.returncode}")
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    print(json.dumps({"seconds": seconds, "peak_bytes": peak * (1 if sys.platform == "darwin" else 1024)}))
