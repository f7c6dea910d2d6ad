"""Events wait until their receivers have taken them."""

import errno
import os
import signal
import sqlite3
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from runtime import FlowerError
from runtime.services.delivery.event import DeliveryError
from runtime.services.delivery.outbox import Outbox, open_outbox
from runtime.services.delivery.outbox_file import OutboxFile, event_bytes
from runtime.services.delivery.outbox_store import MEMORY_EVENTS
from tests.runtime.services.delivery.events import Recorder, an_event, wait_until

ROOT = Path(__file__).parents[4]
CHILD = """
import os, sys, time
from pathlib import Path
from runtime.services.delivery.outbox import Outbox
from tests.runtime.services.delivery.events import Recorder, an_event

class Slow(Recorder):
    def deliver(self, event):
        time.sleep(0.005)
        taken.write(event.id + "\\n")
        taken.flush()
        os.fsync(taken.fileno())

folder, first = Path(sys.argv[1]), int(sys.argv[2])
taken = (folder / "taken").open("a")
outbox = Outbox(folder / "outbox.sqlite", [Slow()], print)
for number in range(first, first + 10_000):
    outbox.put(an_event(number, b"picture" * 1000))
    print(number, flush=True)
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "outbox.sqlite"


def quick(
    path: Path, receivers: list[Recorder], say: Callable[[str], object] = lambda _: None, **limits: Any
) -> Outbox:
    return Outbox(path, receivers, say, first_retry_s=0.01, longest_retry_s=0.02, **limits)  # type: ignore[arg-type]


def down(name: str) -> Recorder:
    return Recorder(name, [DeliveryError("down", passing=True)] * 1000)


def test_each_receiver_gets_every_event_in_order(path: Path) -> None:
    one, two = Recorder("test://one"), Recorder("test://two")
    two.open.clear()
    events = [an_event(number, bytes([number]) * 10) for number in range(5)]
    with open_outbox(path, [one, two], print) as outbox:
        for event in events:
            outbox.put(event)
        wait_until(lambda: one.taken == events)  # the other one does not delay it
        assert not outbox.flush(0)
        two.open.set()
        assert outbox.flush(30)
    assert two.taken == events
    assert one.is_closed
    assert two.is_closed
    with pytest.raises(FlowerError, match="closed"):
        outbox.put(an_event())


def test_files_and_folders_are_private(path: Path) -> None:
    with open_outbox(path, [Recorder()], print) as outbox:
        outbox.put(an_event())
        assert {stat.S_IMODE(each.stat().st_mode) for each in path.parent.iterdir()} == {0o600}
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_events_survive_a_restart_and_those_of_a_former_receiver_are_removed(path: Path) -> None:
    outbox = quick(path, [down("test://one"), down("test://old")])
    events = [an_event(number, b"picture") for number in range(3)]
    for event in events:
        outbox.put(event)
    outbox.close()
    said: list[str] = []
    again = Recorder("test://one")
    outbox = quick(path, [again], said.append)
    outbox.put(an_event(3))
    assert outbox.flush(30)
    outbox.close()
    assert again.taken[:3] == events
    assert again.ids == ["0", "1", "2", "3"]
    assert said == ["test://old: is no receiver any more; 3 answers were waiting for it and removed"]


def test_what_may_pass_is_tried_again_and_said_once(path: Path) -> None:
    failures = [DeliveryError("the broker is down", passing=True)] * 4
    receiver = Recorder(errors=[*failures, RuntimeError("a bug"), *failures])
    said: list[str] = []
    outbox = quick(path, [receiver], said.append)
    outbox.put(an_event(1))
    outbox.put(an_event(2))
    assert outbox.flush(30)
    outbox.close()
    assert receiver.ids == ["1", "2"]
    assert said == [
        "test://one: the broker is down; it is tried again",
        "test://one: RuntimeError: a bug; it is tried again",
        "test://one: takes answers again",
    ]


def test_pauses_grow_and_follow_the_receiver_and_end_at_close(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float | None] = []
    wait_for = threading.Condition.wait_for

    def recorded(self: threading.Condition, predicate: Callable[[], object], timeout: float | None = None) -> object:
        if threading.current_thread().name.startswith("delivery-") and timeout is not None:
            pauses.append(timeout)
            timeout = 600 if len(pauses) == 9 else 0
        return wait_for(self, predicate, timeout)

    monkeypatch.setattr(threading.Condition, "wait_for", recorded)
    busy = DeliveryError("busy", passing=True, retry_after_s=30)
    very_busy = DeliveryError("busy", passing=True, retry_after_s=1e9)
    receiver = Recorder(errors=[DeliveryError("down", passing=True)] * 7 + [busy, very_busy])
    receiver.errors[1] = busy
    outbox = Outbox(path, [receiver], lambda _: None)
    outbox.put(an_event())
    wait_until(lambda: len(pauses) == 9)
    outbox.close()  # in the middle of a pause
    assert pauses == [2, 30, 8, 16, 32, 64, 120, 120, 120]
    assert receiver.is_closed


def test_event_that_is_not_taken_for_good_is_dropped_and_said(path: Path) -> None:
    receiver = Recorder(errors=[DeliveryError("status 404", passing=False)] * 2)
    said: list[str] = []
    outbox = quick(path, [receiver], said.append)
    for number in range(3):
        outbox.put(an_event(number))
    assert outbox.flush(30)
    outbox.close()
    assert receiver.ids == ["2"]
    assert said == [
        "test://one: status 404; the answer is dropped",
        "test://one: takes answers again; 2 answers were dropped before",
    ]


@pytest.mark.parametrize("limits", [{"max_events": 4}, {"max_bytes": 4_500}])
def test_oldest_event_is_dropped_beyond_the_limit(path: Path, limits: dict[str, int]) -> None:
    receiver = Recorder()
    receiver.open.clear()
    said: list[str] = []
    outbox = quick(path, [receiver], said.append, **limits)
    for number in range(10, 20):
        outbox.put(an_event(number, b"p" * 600))
    outbox.put(an_event(99, b"p" * 10_000_000 if "max_bytes" in limits else None))
    receiver.open.set()
    assert outbox.flush(30)
    outbox.close()
    if "max_events" in limits:
        expected = ["17", "18", "19", "99"]
    else:  # the last one is larger than all that may wait
        fitting = 4_500 // event_bytes(an_event(19, b"p" * 600))
        expected = [str(number) for number in range(20 - fitting, 20)]
    assert receiver.ids[-len(expected) :] == expected
    assert len(receiver.ids) <= len(expected) + 1  # one more was being delivered
    assert sum("the oldest ones are dropped" in line for line in said) == 1
    assert sum("dropped before" in line for line in said) == 1


def test_second_process_is_refused(path: Path) -> None:
    with open_outbox(path, [Recorder()], print):
        code = (
            "import sys; from pathlib import Path; from runtime.services.delivery.outbox_file import OutboxFile;"
            "OutboxFile(Path(sys.argv[1]), print)"
        )
        other = subprocess.run([sys.executable, "-c", code, path], cwd=ROOT, capture_output=True, text=True, timeout=60)
        assert "FlowerError" in other.stderr
        assert "another process uses this outbox" in other.stderr


@pytest.mark.parametrize("damage", ["header", "middle", "text"])
def test_damaged_file_is_moved_aside(path: Path, damage: str) -> None:
    outbox = quick(path, [down("test://one")])
    for number in range(20):
        outbox.put(an_event(number, b"picture" * 1000))
    outbox.close()
    content = bytearray(path.read_bytes())
    if damage == "text":
        content[:] = b"no database" * 1000
    else:
        start = 0 if damage == "header" else 4096
        content[start : start + 4096] = os.urandom(4096)
    path.write_bytes(content)
    said: list[str] = []
    receiver = Recorder()
    outbox = quick(path, [receiver], said.append)
    outbox.put(an_event(100))
    assert outbox.flush(30)
    outbox.close()
    assert receiver.ids[-1] == "100"
    assert "is damaged and was moved to outbox.sqlite.damaged" in said[0]
    assert (path.parent / "outbox.sqlite.damaged").read_bytes()[4096:8192] == content[4096:8192]


def test_file_that_becomes_damaged_is_replaced(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    receiver = Recorder()
    said: list[str] = []
    outbox = quick(path, [receiver], said.append)
    write, calls = OutboxFile.write, []

    def damaged_once(self: OutboxFile, *arguments: Any, **options: Any) -> None:
        calls.append(1)
        if len(calls) == 1:
            error = sqlite3.DatabaseError("database disk image is malformed")
            error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
            raise error
        write(self, *arguments, **options)

    monkeypatch.setattr(OutboxFile, "write", damaged_once)
    outbox.put(an_event(1))
    assert outbox.flush(30)
    outbox.close()
    assert receiver.ids == ["1"]
    assert len(said) == 1
    assert "is damaged" in said[0]


def test_database_of_another_program_is_left_alone(path: Path) -> None:
    path.parent.mkdir()
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE mine (a)")
    connection.close()
    content = path.read_bytes()
    with pytest.raises(FlowerError, match="not an outbox"):
        OutboxFile(path, print)
    assert path.read_bytes() == content


def test_folder_that_cannot_be_made_is_a_passing_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(FlowerError, match="cannot be opened") as error:
        OutboxFile(tmp_path / "file" / "outbox.sqlite", print)
    assert error.value.passing


def test_full_disk_loses_no_event(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # SQLite itself says that the disk is full when a page would exceed this limit.
    receiver = Recorder(errors=[DeliveryError("down", passing=True)] * 3)
    receiver.open.clear()
    said: list[str] = []
    outbox = quick(path, [receiver], said.append)
    outbox.put(an_event(0))
    file = outbox._store._file._connection
    assert file is not None
    (pages,) = file.execute("PRAGMA page_count").fetchone()
    file.execute(f"PRAGMA max_page_count = {pages}")
    for number in range(1, 4):
        outbox.put(an_event(number, b"p" * 100_000))
    assert ["disk is full" in line for line in said] == [True]
    file.execute("PRAGMA max_page_count = 1000000")
    outbox.put(an_event(4))
    assert outbox._store.unsaved == 0
    receiver.open.set()
    assert outbox.flush(30)
    outbox.close()
    assert receiver.ids == ["0", "1", "2", "3", "4"]


def test_memory_is_bounded_while_the_file_cannot_be_written(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise sqlite3.OperationalError(os.strerror(errno.ENOSPC))

    receiver = Recorder()
    receiver.open.clear()
    said: list[str] = []
    outbox = quick(path, [receiver], said.append)
    monkeypatch.setattr(OutboxFile, "write", full)
    outbox.put(an_event(0))
    assert receiver.is_delivering.wait(30)  # the thread has taken this event, and none of those that are dropped
    for number in range(1, MEMORY_EVENTS + 50):
        outbox.put(an_event(number))
    assert outbox._store.unsaved == MEMORY_EVENTS
    receiver.open.set()
    assert outbox.flush(30)
    outbox.close()
    assert [each for each in receiver.ids if each != "0"] == [str(number) for number in range(50, MEMORY_EVENTS + 50)]
    assert [line.partition(": ")[2].partition(" (")[0] for line in said[:2]] == [
        "cannot be used now", "too many answers wait in memory; the oldest ones are dropped",
    ]  # fmt: skip


def test_what_was_taken_on_a_full_disk_is_not_delivered_again(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    receiver = Recorder()
    receiver.open.clear()
    said: list[str] = []
    outbox = quick(path, [receiver], said.append)
    for number in range(3):
        outbox.put(an_event(number))
    with monkeypatch.context() as patch:

        def full(*_: object, **__: object) -> None:
            raise sqlite3.OperationalError(os.strerror(errno.ENOSPC))

        patch.setattr(OutboxFile, "write", full)
        receiver.open.set()
        assert outbox.flush(30)
        outbox.close()
    assert ["No space" in line for line in said] == [True]
    again = Recorder()
    with open_outbox(path, [again], print) as outbox:
        outbox.put(an_event(9))
        assert outbox.flush(30)
    assert (receiver.ids, again.ids) == (["0", "1", "2"], ["9"])


def test_file_shrinks_when_nothing_waits(path: Path) -> None:
    receiver = Recorder()
    receiver.open.clear()
    with open_outbox(path, [receiver], print) as outbox:
        for number in range(60):
            outbox.put(an_event(number, os.urandom(60_000)))
        size = sum(each.stat().st_size for each in path.parent.iterdir())
        receiver.open.set()
        assert outbox.flush(30)
    assert sum(each.stat().st_size for each in path.parent.iterdir()) < size / 4
    assert len(receiver.taken) == 60


def test_threads_may_put(path: Path) -> None:
    receiver = Recorder()
    with open_outbox(path, [receiver], print) as outbox:

        def put(turn: int) -> None:
            for each in range(20):
                outbox.put(an_event(turn * 100 + each))

        threads = [threading.Thread(target=put, args=(turn,)) for turn in range(5)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert outbox.flush(30)
    assert sorted(map(int, receiver.ids)) == sorted(turn * 100 + each for turn in range(5) for each in range(20))
    for turn in range(5):
        own = [int(each) for each in receiver.ids if int(each) // 100 == turn]
        assert own == sorted(own)


def test_delivery_that_hangs_does_not_stop_the_end(path: Path) -> None:
    receiver = Recorder()
    receiver.open.clear()
    outbox = quick(path, [receiver])
    outbox.put(an_event(1))
    outbox.close(timeout=0.05)
    with open_outbox(path, [again := Recorder()], print) as outbox:
        assert outbox.flush(30)
    assert again.ids == ["1"]
    receiver.open.set()  # the first thread ends and does not touch the file
    wait_until(lambda: receiver.is_closed)


def test_killed_process_loses_nothing(tmp_path: Path) -> None:
    put: list[int] = []
    for turn in range(3):
        with subprocess.Popen(
            [sys.executable, "-c", CHILD, tmp_path, str(turn * 100_000)], cwd=ROOT, stdout=subprocess.PIPE, text=True
        ) as child:
            try:
                assert child.stdout is not None
                for _ in range(40):
                    put.append(int(child.stdout.readline()))
                child.send_signal(signal.SIGKILL)
                put += [int(line) for line in child.stdout.read().splitlines()[:-1] if line.isdigit()]
            finally:
                child.kill()
    before = [int(line) for line in (tmp_path / "taken").read_text().splitlines()]
    receiver = Recorder()
    with open_outbox(tmp_path / "outbox.sqlite", [receiver], print) as outbox:
        assert outbox.flush(60)
    taken = before + [int(each) for each in receiver.ids]
    assert set(put) <= set(taken)
    assert taken == sorted(taken)  # in order; one that was taken just before the end may be there twice
    assert len(taken) - len(set(taken)) <= 3
    assert len(before) < len(put)
