"""The number of CPU threads for a network: the number of physical cores that this process may use.

onnxruntime's default is the number of all cores of the machine, even if the process may use only a few of them (in a
container, under ``taskset``, in a batch job).
"""

import math
import os
from pathlib import Path

SYSTEM = Path("/sys/devices/system/cpu")
CONTROL_GROUPS = Path("/sys/fs/cgroup")
MEMBERSHIP = Path("/proc/self/cgroup")
"""Linux's files about processors, about limits of control groups, and about the groups of this process."""


def cpu_threads(requested: int | None = None) -> int:
    """Return the number of threads for a network, and for decoding the photos that it gets.

    Args:
        requested: the user's number. It is lowered to the number of processors that this process may use: more threads
            slow each other down, because waiting threads spin. None for `default_threads`.
    """
    return default_threads() if requested is None else min(requested, len(_processors()))


def default_threads() -> int:
    """Return the number of physical cores in the process's affinity, or fewer if its control group limits CPU time.

    Two hardware threads of one core share its multiplication unit, so a second thread does not make a network faster.
    """
    cores = physical_cores(_processors())
    # Rounded up, as Java and Go do, so that a fraction of a processor is used.
    return max(1, math.ceil(min(cores, processor_time_limit())))


def _processors() -> set[int]:
    """Return the system's numbers of the hardware threads that this process may use."""
    if not hasattr(os, "sched_getaffinity"):  # not Linux
        return set(range(os.cpu_count() or 1))
    return os.sched_getaffinity(0)


def physical_cores(processors: set[int], system: Path = SYSTEM) -> int:
    """Return the number of different cores that ``processors``, the system's numbers of hardware threads, belong to."""
    cores = set()
    for processor in processors:
        try:
            cores.add((system / f"cpu{processor}/topology/thread_siblings_list").read_text().strip())
        except OSError:  # the system gives no topology: count each hardware thread
            cores.add(str(processor))
    return len(cores)


def processor_time_limit(groups: Path = CONTROL_GROUPS, membership: Path = MEMBERSHIP) -> float:
    """Return the seconds of CPU time per second that the process's control groups allow, or infinity without a limit.

    Both versions of Linux's interface are read (kernel documentation, "Control Group v2", ``cpu.max``, and "CFS
    Bandwidth Control", ``cpu.cfs_quota_us``). A group's limit applies to the groups below it, so the lowest limit of
    all parents counts.
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
        # In a container the path may be the host's, and only the root of it may be visible.
        parts = [part for part in path.split("/") if part not in ("", ".", "..")]
        for depth in range(len(parts) + 1):
            limit = min(limit, _group_limit(root.joinpath(*parts[:depth])))
    return limit


def _group_limit(group: Path) -> float:
    """Return the limit of one control group in seconds of CPU time per second, or infinity."""
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
