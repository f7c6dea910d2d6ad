"""What happens to opened models in a process that was forked (gunicorn with preload, multiprocessing on Linux).

The new process has the memory of the old one, but not its threads. A session of onnxruntime then waits for its threads
for ever when it is destroyed. So the new process never destroys it, and opens the model again at the first use.
"""

import ctypes
import os
from typing import Any
from weakref import WeakSet

_sessions: "WeakSet[Any]" = WeakSet()
"""Each has a method ``forget``, which returns the object that must not be destroyed."""


def reopen_after_fork(session: Any) -> None:
    """Call ``session.forget()`` in each process that is forked from this one."""
    _sessions.add(session)


def _after_fork_in_child() -> None:
    for session in list(_sessions):
        if (inherited := session.forget()) is not None:
            # One reference more than there are. So Python destroys it neither now nor at exit.
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(inherited))


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
