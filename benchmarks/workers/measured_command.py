"""Runs a command and prints, as JSON, its wall-clock seconds and its peak memory in bytes.

A process of its own, and a small one: the system counts a new process's peak from before it becomes another program,
so a command started by a large process would seem to be as large.
"""

import json
import resource
import subprocess
import sys
import time

if __name__ == "__main__":
    started = time.perf_counter()
    done = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    seconds = time.perf_counter() - started
    if done.returncode:
        sys.exit(done.stderr.strip() or f"exit status {done.returncode}")
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    print(json.dumps({"seconds": seconds, "peak_bytes": peak * (1 if sys.platform == "darwin" else 1024)}))
