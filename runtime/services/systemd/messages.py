"""Messages to systemd: that a service is ready, alive, or stopping (sd_notify(3))."""

import os
import socket
from contextlib import suppress

SIGN_OF_LIFE_S = 10.0
"""Seconds between two signs of life, if systemd does not ask for more."""


def sign_of_life_s() -> float:
    """Return how many seconds may pass between two signs of life: half of what systemd waits, or less."""
    wanted = os.environ.get("WATCHDOG_USEC", "")
    return min(SIGN_OF_LIFE_S, int(wanted) / 2e6) if wanted.isdigit() and int(wanted) else SIGN_OF_LIFE_S


def notify(*lines: str) -> None:
    """Send lines such as ``READY=1``, ``WATCHDOG=1`` or ``STATUS=…`` to systemd. Without systemd, do nothing."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")) or not hasattr(socket, "AF_UNIX"):
        return
    # A service must not end because its manager does not listen.
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        channel.connect("\0" + address[1:] if address.startswith("@") else address)
        channel.sendall("\n".join(lines).encode())
