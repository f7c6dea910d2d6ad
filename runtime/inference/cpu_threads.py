"""How many threads a network should have: as many as this process may keep busy physical cores.

onnxruntime's own default counts the machine's cores, also where the process may use few of them: in a container, under
``taskset``, in a batch job.
"""

import math
import os
from pathlib import Path

SYSTEM = Path("/sys/devices/system/cpu")
CONTROL_GROUPS = Path("/sys/fs/cgroup")
MEMBERSHIP = Path("/proc/self/cgroup")


def default_threads() -> int:
    """Physical cores that the process's affinity allows, or fewer where its control group has less processor time.

    A second hardware thread on a core shares the one unit that multiplies, so it adds nothing here.
    """
    if not hasattr(os, "sched_getaffinity"):  # not Linux
        return os.cpu_count() or 1
    cores = physical_cores(os.sched_getaffinity(0))
    # Rounded up, as Java and Go do: half a processor is better used than left.
    return max(1, math.ceil(min(cores, processor_time_limit())))


def physical_cores(processors: set[int], system: Path = SYSTEM) -> int:
    """How many different cores ``processors``, the system's numbers of hardware threads, belong to."""
    cores = set()
    for processor in processors:
        try:
            cores.add((system / f"cpu{processor}/topology/thread_siblings_list").read_text().strip())
        except OSError:  # a system that does not say: each for itself
            cores.add(str(processor))
    return len(cores)


def processor_time_limit(groups: Path = CONTROL_GROUPS, membership: Path = MEMBERSHIP) -> float:
    """Seconds of processor time a second that the process's control groups allow; infinite where they set no limit.

    Reads both versions of Linux's interface (kernel documentation, "Control Group v2", ``cpu.max``, and "CFS Bandwidth
    Control", ``cpu.cfs_quota_us``). A group's limit holds for those below it, so the least on the way up counts.
    """
    limit = math.inf
    try:
        lines = membership.read_text().splitlines()
    except OSError:
        return limit
    for line in lines:
        number, controllers, path = (*line.split(":", 2), "", "")[:3]
        if number == "0":
            root = groups
        elif "cpu" in controllers.split(","):
            root = groups / "cpu"
        else:
            continue
        # In a container the path may be the host's, of which nothing is to be seen but the root.
        below = [part for part in path.split("/") if part not in ("", ".", "..")]
        for depth in range(len(below) + 1):
            limit = min(limit, _limit_of(root.joinpath(*below[:depth])))
    return limit


def _limit_of(group: Path) -> float:
    try:
        quota, period = (group / "cpu.max").read_text().split()
    except (OSError, ValueError):
        try:
            quota, period = ((group / f"cpu.cfs_{name}_us").read_text() for name in ("quota", "period"))
        except OSError:
            return math.inf
    try:
        return float(quota) / float(period) if float(quota) > 0 else math.inf
    except (ValueError, ZeroDivisionError):  # "max"
        return math.inf
