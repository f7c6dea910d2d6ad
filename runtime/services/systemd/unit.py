"""The unit files of the services, for ``flower-infer --systemd-unit``."""

import sys
from pathlib import Path
from typing import Literal, get_args

from runtime.distribution import PACKAGE_PREFIX

Service = Literal["watch", "camera", "serve"]
SERVICES: tuple[Service, ...] = get_args(Service)
HIDDEN = ("/tmp", "/var/tmp", "/root", "/home")  # noqa: S108 (nothing is written there)
"""Folders that a service of the printed units cannot read, or that its user usually cannot."""
COMMAND = "@COMMAND@"
"""The place of the command in a unit file."""


def unit_file(service: Service) -> str:
    """Return the unit of a service, which starts the ``flower-infer`` of this Python."""
    text = (Path(__file__).parent / f"{service}.service").read_text(encoding="utf-8")
    return text.replace(COMMAND, _command())


def hidden_place() -> str | None:
    """Return the folder of this Python if a service cannot read it: a home, or the folder of temporary files."""
    for path in (Path(sys.executable), Path(sys.executable).resolve()):
        for folder in HIDDEN:
            if path.is_relative_to(folder):
                return folder
    return None


def _command() -> str:
    python = Path(sys.executable)
    script = python.with_name("flower-infer")
    words = [str(script)] if script.is_file() else [str(python), "-m", f"{PACKAGE_PREFIX}runtime"]
    return " ".join(_quoted(word) for word in words)


def _quoted(word: str) -> str:
    """Return a word of a command line of systemd (systemd.service(5), "Command lines")."""
    escaped = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    return f'"{escaped}"' if escaped != word or " " in word else word
