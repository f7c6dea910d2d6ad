"""A command that gets answers."""

import os
import shlex
import signal
import sys
from pathlib import Path

import pytest

from runtime import FlowerError
from runtime.services.delivery.command import TAIL_BYTES, CommandReceiver
from runtime.services.delivery.event import AnswerEvent, DeliveryError
from tests.runtime.services.delivery.events import an_event, wait_until


def python(code: str, *arguments: str) -> str:
    return shlex.join([sys.executable, "-c", code, *arguments])


def test_command_gets_one_line_of_json(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLOWER_EDGE_MQTT_PASSWORD", "secret")
    code = (
        "import os, sys;"
        "open(sys.argv[1], 'w').write(sys.stdin.read() + os.environ.get('FLOWER_EDGE_MQTT_PASSWORD', ''))"
    )
    receiver = CommandReceiver(python(code, str(tmp_path / "it's here; $(touch x)")))
    event = an_event(label="a" * 200_000)  # more than a pipe holds
    receiver.deliver(event)
    assert (tmp_path / "it's here; $(touch x)").read_text() == event.to_json() + "\n"
    assert receiver.name == f"exec:{sys.executable}"


def test_command_that_does_not_read_its_input() -> None:
    CommandReceiver("true").deliver(an_event(label="a" * 200_000))


def test_status_other_than_0_is_said_with_the_last_line() -> None:
    code = "import sys; sys.stderr.write('x' * 1_000_000 + '\\nno \\x1b[31mbuzzer\\n\\n'); sys.exit(3)"
    with pytest.raises(DeliveryError, match=r"status 3 \(no \[31mbuzzer\)") as error:
        CommandReceiver(python(code)).deliver(an_event())
    assert not error.value.passing


def test_long_line_is_shortened() -> None:
    with pytest.raises(DeliveryError) as error:
        CommandReceiver(python("import sys; sys.exit('x' * 1_000_000)")).deliver(an_event())
    assert len(str(error.value)) < TAIL_BYTES / 10


def test_command_and_its_children_are_ended_after_the_timeout(tmp_path: Path) -> None:
    code = (
        "import subprocess, sys, time;"
        "child = subprocess.Popen(['sleep', '600']); open(sys.argv[1], 'w').write(str(child.pid)); time.sleep(600)"
    )
    receiver = CommandReceiver(python(code, str(tmp_path / "pid")), timeout_s=3)
    with pytest.raises(DeliveryError, match="within 3 s") as error:
        receiver.deliver(an_event())
    assert not error.value.passing
    child = int((tmp_path / "pid").read_text())

    def ended() -> bool:
        try:
            return Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
        except FileNotFoundError:
            return True

    if Path("/proc/self/stat").exists():
        wait_until(ended)


def test_process_in_the_background_is_not_waited_for(tmp_path: Path) -> None:
    code = (
        "import subprocess, sys;"
        "open(sys.argv[1], 'w').write(str(subprocess.Popen(['sleep', '50'], start_new_session=True).pid))"
    )
    CommandReceiver(python(code, str(tmp_path / "pid"))).deliver(an_event())
    # It still runs, and has the pipe of standard error.
    os.kill(int((tmp_path / "pid").read_text()), signal.SIGKILL)


def test_program_that_disappears_is_a_passing_error(tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    receiver = CommandReceiver(str(program))
    receiver.deliver(an_event())
    program.unlink()
    with pytest.raises(DeliveryError, match="No such file") as error:
        receiver.deliver(an_event())
    assert error.value.passing


@pytest.mark.parametrize("command", ["", "  ", "no-such-program-here --now", "echo 'open", os.devnull])
def test_wrong_commands_are_refused_at_the_start(command: str) -> None:
    with pytest.raises(FlowerError):
        CommandReceiver(command)


def test_no_descriptor_is_left_open() -> None:
    receiver = CommandReceiver("true")

    def deliver(event: AnswerEvent) -> int:
        receiver.deliver(event)
        return len(os.listdir("/proc/self/fd")) if Path("/proc/self/fd").exists() else 0  # noqa: PTH208

    first = deliver(an_event())
    assert [deliver(an_event()) for _ in range(3)] == [first] * 3
