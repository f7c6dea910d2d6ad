"""Resuming: an interrupted run ends with the same weights, bit for bit, as one that was not interrupted."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from finetune.command_line import main
from finetune.run.training_state import NEW_PROVENANCE

KILLS = 20
KILL_OPTIONS = ("--device", "cpu", "--epochs", "4", "--freeze", "3", "--echo", "2", "--workers", "1")


@pytest.mark.usefixtures("small_network")
def test_interrupted_run_ends_with_the_same_weights(
    small_run: Path, options: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also: ``python -m finetune`` and `finetune.train`, which made ``small_run``, train alike."""
    options += ["--output", str(tmp_path)]

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as context:
        # The curves are drawn at the end of an epoch, after last.pt was written.
        context.setattr("finetune.training.history.draw_curves", interrupt)
        assert main(options) == 130
    assert torch.load(tmp_path / "last.pt", weights_only=True)["epoch"] == 1
    assert main([*options, "--resume"]) == 0
    expected, actual = (torch.load(folder / "last.pt", weights_only=True) for folder in (small_run, tmp_path))
    for part in ("network", "averaged"):
        assert expected[part].keys() == actual[part].keys()
        assert all(torch.equal(expected[part][name], actual[part][name]) for name in expected[part])
    for number, moments in expected["optimizer"]["state"].items():
        assert all(torch.equal(value, actual["optimizer"]["state"][number][name]) for name, value in moments.items())
    for record, other in zip(read_log(small_run), read_log(tmp_path), strict=True):
        assert {key for key in record if record[key] != other[key]} <= {"seconds", "images_per_second"}


@pytest.mark.usefixtures("small_network")
def test_run_killed_after_its_last_state_gets_its_log_and_curves(
    small_run: Path, options: list[str], tmp_path: Path
) -> None:
    shutil.copytree(small_run, tmp_path / "run")
    log, curves = tmp_path / "run" / "log.jsonl", tmp_path / "run" / "curves.png"
    complete = log.read_text()
    log.write_text(complete.splitlines(keepends=True)[0])
    curves.unlink()
    assert main([*options, "--output", str(tmp_path / "run"), "--resume"]) == 0
    assert log.read_text() == complete
    assert curves.is_file()


@pytest.mark.usefixtures("small_network")
def test_other_settings_cannot_resume_a_run(
    small_run: Path, options: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    options += ["--output", str(small_run)]
    for option, difference in (("--seed", "--seed 0, not 7"), ("--test-size", "--test-size 64, not 72")):
        assert main([*options, "--resume", option, difference.split()[-1]]) == 1
        assert f"started with {difference}" in capsys.readouterr().err
    assert main(options) == 1
    assert "already holds a run" in capsys.readouterr().err


@pytest.mark.usefixtures("small_network")
def test_resuming_needs_no_option_of_the_start_again(
    options: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    data = Path(options[1])
    monkeypatch.chdir(data.parent)
    resume = ["--output", str(tmp_path / "run"), "--resume"]
    options += [*resume, "--data", data.name, "--recipe", "fast", "--seed", "3", "--limit", "12", "--epochs", "1"]
    assert main([*options, "--splits", "train,val", "--cache-gb", "0"]) == 0
    (tmp_path / "run" / "best.pt").unlink()
    state = torch.load(tmp_path / "run" / "last.pt", weights_only=True)
    # As if the process had been killed before the first epoch was complete.
    torch.save(state | {"epoch": 0, "history": []}, tmp_path / "run" / "last.pt")
    monkeypatch.chdir(tmp_path)
    for option, value in (("--seed", "4"), ("--limit", "8"), ("--splits", "train"), ("--crop-pct", "0.5")):
        assert main([*resume, option, value]) == 1
        error = capsys.readouterr().err
        assert f"started with {option} " in error
        assert f", not {value};" in error
        assert len(error.splitlines()) == 1
    assert main([*resume, "--workers", "1"]) == 0
    resumed = torch.load(tmp_path / "run" / "last.pt", weights_only=True)
    assert resumed["settings"] == state["settings"] | {"workers": 1}
    assert [resumed[part] == state[part] for part in ("recipe", "preprocessing", "provenance")] == [True] * 3
    assert (tmp_path / "run" / "best.pt").is_file()


@pytest.mark.usefixtures("small_network")
def test_state_of_an_earlier_version_needs_the_options_again(
    small_run: Path, options: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    state = torch.load(small_run / "last.pt", weights_only=True)
    shutil.copy(small_run / "best.pt", tmp_path / "best.pt")
    resume = ["--output", str(tmp_path), "--resume"]
    earlier = {name: value for name, value in state.items() if name != "settings"}
    earlier["provenance"] = {key: state["provenance"][key] for key in state["provenance"].keys() - NEW_PROVENANCE}
    assert len(earlier["provenance"]) < len(state["provenance"])
    torch.save(earlier, tmp_path / "last.pt")
    assert main([*options, *resume]) == 0
    assert main([*options[:4], *resume]) == 1
    assert "started with batch_size 8, not 32" in capsys.readouterr().err
    torch.save(state | {"settings": state["settings"] | {"limit": "many"}}, tmp_path / "last.pt")
    assert main(resume) == 1
    assert "its settings are damaged (limit is 'many')" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("existing", "runs", "message"), [("last.pt", "2", "one run"), ("seed-3/last.pt", "1", "several runs")]
)
def test_one_run_and_several_cannot_share_a_folder(
    existing: str, runs: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / existing).parent.mkdir(exist_ok=True)
    torch.save({}, tmp_path / existing)
    for resume in ((), ("--resume",)):
        assert main(["--output", str(tmp_path), "--runs", runs, *resume]) == 1
        assert f"holds the results of {message}" in capsys.readouterr().err


@pytest.mark.slow
def test_run_killed_twenty_times_ends_with_the_same_weights(options: list[str], tmp_path: Path) -> None:
    arguments = [*options, *KILL_OPTIONS]
    started = time.monotonic()
    assert start_training(arguments, tmp_path / "uninterrupted").wait() == 0
    duration = time.monotonic() - started
    expected = read_weights(tmp_path / "uninterrupted")

    def check(output: Path) -> None:
        actual = read_weights(output)
        assert actual.keys() == expected.keys()
        assert all(torch.equal(actual[name], expected[name]) for name in expected)
        assert {path.name for path in output.iterdir()} == {"best.pt", "last.pt", "log.jsonl", "curves.png"}

    moments = random.Random(0)
    output = tmp_path / "killed"
    kills = 0
    while kills < KILLS:
        process = start_training(arguments, output)
        # Python needs a third of a run this short to start. A later moment hits training or writing.
        try:
            process.wait(moments.uniform(0.3, 1.0) * duration)
        except subprocess.TimeoutExpired:
            # The whole process group, so that the loader process is killed as in a power failure.
            os.killpg(process.pid, signal.SIGKILL)
        if process.wait() == 0:  # finished before the signal: check, and start another run
            check(output)
            shutil.rmtree(output)
        else:
            kills += 1
    assert start_training(arguments, output).wait() == 0
    check(output)


def read_log(output: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (output / "log.jsonl").read_text().splitlines()]


def read_weights(output: Path) -> dict[str, torch.Tensor]:
    """The weights of the best epoch, and the state's after the last epoch."""
    best: dict[str, torch.Tensor] = torch.load(output / "best.pt", weights_only=True)["state_dict"]
    last: dict[str, torch.Tensor] = torch.load(output / "last.pt", weights_only=True)["averaged"]
    return best | last


def start_training(arguments: list[str], output: Path) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [sys.executable, "-m", "tests.samples.small_network", *arguments, "--output", str(output), "--resume"],
        stdout=subprocess.DEVNULL,
        cwd=Path(__file__).parents[2],
        start_new_session=True,
    )
