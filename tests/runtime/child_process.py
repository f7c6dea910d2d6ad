"""What tests do in the processes that they start."""

import signal


def enable_keyboard_interrupt() -> None:
    """Enable Ctrl-C in a child process, which inherits that it is ignored if the tests run in the background."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
