"""A command that gets each answer as JSON on its standard input."""

import os
import selectors
import shlex
import shutil
import signal
import subprocess
import time
from contextlib import suppress

from runtime.errors import FlowerError
from runtime.services.delivery.event import AnswerEvent, DeliveryError
from runtime.services.delivery.mqtt_address import PASSWORD_FILE_VARIABLE, PASSWORD_VARIABLE
from runtime.services.delivery.webhook import TOKEN_VARIABLE
from runtime.services.serving.settings import TOKEN_VARIABLE as SERVICE_TOKEN_VARIABLE

TIMEOUT_S = 60.0
"""Seconds after which a command is ended."""
TAIL_BYTES = 4_096
"""Bytes of standard error that are kept, the last ones."""
SHOWN = 200
"""Most characters of standard error in a message."""
POLL_S = 0.05
"""Seconds between two looks at whether the command has ended."""
SECRETS = (PASSWORD_VARIABLE, PASSWORD_FILE_VARIABLE, TOKEN_VARIABLE, SERVICE_TOKEN_VARIABLE, "CAMERA", "OPTIONS")
"""Environment variables that the command does not get. The last two are those of the units of systemd: an address may
hold a password."""


class CommandReceiver:
    """Runs a command for each event. There is no shell, so that no part of an answer can become a command.

    Args:
        command: the program and its arguments, quoted as for a shell.
        timeout_s: see `TIMEOUT_S`.

    Raises:
        FlowerError: the command is empty or not quoted correctly, its program is missing, or the system is Windows,
            where a command cannot be ended together with the processes that it started.
    """

    def __init__(self, command: str, *, timeout_s: float = TIMEOUT_S) -> None:
        if not hasattr(os, "killpg"):
            raise FlowerError("running a command for each answer needs Linux or macOS")
        try:
            self._arguments = shlex.split(command)
        except ValueError as error:
            raise FlowerError(f"the command for answers is not quoted correctly ({error})") from None
        if not self._arguments:
            raise FlowerError("the command for answers is empty")
        program = shutil.which(self._arguments[0])
        if program is None:
            raise FlowerError(
                f"{self._arguments[0]}: no such program, or not executable; --exec takes a program and its arguments"
            )
        # The arguments may hold a secret.
        self.name = f"exec:{self._arguments[0]}"
        self._program = os.path.abspath(program)  # noqa: PTH100 (a link stays: some programs look at their name)
        self._timeout_s = timeout_s

    def start(self) -> None:
        """Do nothing: there is no process between events."""

    def deliver(self, event: AnswerEvent) -> None:
        """Run the command. Status 0 means that the event was taken; with any other it is dropped."""
        environment = {name: value for name, value in os.environ.items() if name not in SECRETS}
        try:
            process = subprocess.Popen(
                self._arguments, executable=self._program, env=environment, start_new_session=True,
                stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
            )  # fmt: skip
        except OSError as error:
            raise DeliveryError(f"cannot be started ({error.strerror})", passing=True) from None
        with process:
            try:
                tail = self._run(process, (event.to_json() + "\n").encode())
            finally:
                if process.poll() is None:
                    with suppress(ProcessLookupError):
                        os.killpg(process.pid, signal.SIGKILL)
        if tail is None:
            raise DeliveryError(f"did not end within {self._timeout_s:g} s and was killed", passing=False)
        if process.returncode:
            shown = _last_line(tail)
            raise DeliveryError(
                f"ended with status {process.returncode}" + (f" ({shown})" if shown else ""), passing=False
            )

    def _run(self, process: "subprocess.Popen[bytes]", content: bytes) -> bytes | None:
        """Write the input and read standard error until the process ends.

        Returns:
            The last bytes of standard error; None if the time is over.
        """
        assert process.stdin is not None and process.stderr is not None  # noqa: S101, PT018 (for mypy)
        tail, rest = b"", memoryview(content)
        end = time.monotonic() + self._timeout_s
        for pipe in (process.stdin, process.stderr):
            os.set_blocking(pipe.fileno(), False)
        with selectors.DefaultSelector() as selector:
            selector.register(process.stdin, selectors.EVENT_WRITE)
            selector.register(process.stderr, selectors.EVENT_READ)
            ended = False
            # After the end, what is in the pipe is read. A process in the background may keep the pipe open.
            while selector.get_map() or not ended:
                if time.monotonic() > end and not ended:
                    return None
                if not selector.get_map():
                    time.sleep(POLL_S)
                ready = selector.select(0 if ended else POLL_S)
                if ended and not any(key.fileobj is process.stderr for key, _ in ready):
                    break
                for key, _ in ready:
                    if key.fileobj is process.stderr:
                        part = os.read(key.fd, TAIL_BYTES)
                        tail = (tail + part)[-TAIL_BYTES:]
                        if not part:
                            selector.unregister(process.stderr)
                    else:
                        try:
                            rest = rest[os.write(key.fd, rest) :]
                        except BrokenPipeError:  # the command does not read its input
                            rest = rest[:0]
                        if not rest:
                            selector.unregister(process.stdin)
                            process.stdin.close()
                ended = ended or process.poll() is not None
        return tail

    def close(self) -> None:
        """Do nothing: there is no process between events."""


def _last_line(content: bytes) -> str:
    """Return the last line that is not empty, its printable characters, shortened."""
    lines = [line.strip() for line in content.decode("utf-8", "replace").splitlines() if line.strip()]
    last = "".join(character for character in lines[-1] if character.isprintable()) if lines else ""
    return last if len(last) <= SHOWN else f"{last[:SHOWN]}…"
