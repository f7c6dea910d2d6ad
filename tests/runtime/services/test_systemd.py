"""Units of systemd, and the messages that a service sends to it."""

import shutil
import socket
import subprocess
from pathlib import Path

import pytest

from runtime.services.systemd.messages import notify
from runtime.services.systemd.unit import COMMAND, SERVICES, Service, unit_file


@pytest.mark.parametrize("service", SERVICES)
def test_units_are_valid_and_hardened(service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed")
    python = tmp_path / "a b%c" / "python3"
    python.parent.mkdir()
    for name in ("python3", "flower-infer"):
        (python.with_name(name)).write_text("#!/bin/sh\n")
        python.with_name(name).chmod(0o755)
    monkeypatch.setattr("sys.executable", str(python))
    text = unit_file(service)
    assert COMMAND not in text
    unit = tmp_path / f"flower-{service}.service"
    unit.write_text(text)
    verified = subprocess.run(["systemd-analyze", "verify", unit], capture_output=True, text=True, check=False)
    assert (verified.returncode, verified.stderr) == (0, "")
    command = ["systemd-analyze", "security", "--offline=true", "--threshold=20", str(unit)]  # 2.0 of 10, "OK"
    security = subprocess.run(command, capture_output=True, text=True, check=False)
    assert security.returncode == 0, security.stdout[-300:]


def test_messages_reach_the_socket_of_systemd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(5)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        notify("READY=1", "STATUS=watching")
        assert manager.recv(100) == b"READY=1\nSTATUS=watching"
    notify("WATCHDOG=1")  # nobody listens any more
    monkeypatch.delenv("NOTIFY_SOCKET")
    notify("WATCHDOG=1")
