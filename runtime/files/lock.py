"""Locks on open files, which end with the process that holds them (flock(2))."""

try:
    import fcntl
except ImportError:  # Windows has no fcntl: there every call succeeds
    fcntl = None  # type: ignore[assignment]


def lock_file(file: int, *, shared: bool = False) -> bool:
    """Lock an open file until it is closed, alone or together with others that lock it ``shared``.

    Args:
        file: its descriptor.
        shared: whether others may hold such a lock at the same time.

    Returns:
        False if another process has a lock that excludes this one. True also where there are no locks.

    Raises:
        OSError: the file system has no locks, as some network disks.
    """
    if fcntl is None:
        return True
    try:
        fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
