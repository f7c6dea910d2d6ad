"""Options of ``flower-infer`` that were given without what they belong to."""

import pytest

from runtime.command_line.flower_infer import build_parser, main
from runtime.command_line.services.options import (
    MEGABYTE,
    OF_CAMERA,
    OF_DELIVERY,
    OF_SERVE,
    misplaced_option,
)
from runtime.services.camera.answer_camera import CameraSettings

VALUES = {
    "every": ["0"], "on_motion": [], "keep": ["kept"], "keep_mb": ["1"],
    "host": ["::1"], "port": ["0"], "page": ["page"], "token_file": ["token"], "allow_anyone": [],
    "mqtt": ["mqtt://host/"], "webhook": ["https://host/"], "exec": ["true"], "deliver": ["all"], "cooldown": ["0"],
    "outbox": ["outbox"], "device_id": ["garden"],
}  # fmt: skip
"""Each option with a value, 0 where it can be."""
WATCH, CAMERA, SERVE = ["--watch", "folder"], ["--camera", "0"], ["--serve"]
OTHERS = [["x.jpg"], ["--info"], ["--list-devices"], ["--systemd-unit", "watch"]]
SERVICES = {
    OF_CAMERA: [CAMERA],
    OF_SERVE: [SERVE],
    OF_DELIVERY: [WATCH, CAMERA, SERVE],
}
"""Names of options → the commands that have them."""


def problem(arguments: list[str]) -> str | None:
    return misplaced_option(build_parser().parse_args(arguments))


def given(name: str) -> list[str]:
    return [f"--{name.replace('_', '-')}", *VALUES[name]]


def usage_error(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    return capsys.readouterr().err.splitlines()[-1]


@pytest.mark.parametrize(("names", "name"), [(names, name) for names in SERVICES for name in names])
def test_options_of_a_service(names: tuple[str, ...], name: str, capsys: pytest.CaptureFixture[str]) -> None:
    for command in (WATCH, CAMERA, SERVE, *OTHERS):
        if command in SERVICES[names]:
            needed = ["--keep", "kept"] if name == "keep_mb" else []
            assert problem([*command, *given(name), *needed]) is None
        else:
            start = f"--{name.replace('_', '-')} is for {SERVICES[names][0][0]}"
            assert (problem([*command, *given(name)]) or "").startswith(start)
    assert f"{given(name)[0]} is for --" in usage_error([*given(name), "x.jpg"], capsys)


def test_nothing_is_misplaced_without_options() -> None:
    assert [problem(command) for command in (WATCH, CAMERA, SERVE, *OTHERS)] == [None] * 7


def test_a_limit_of_kept_pictures_needs_their_folder(capsys: pytest.CaptureFixture[str]) -> None:
    assert usage_error([*CAMERA, "--keep-mb", "5"], capsys).endswith("error: --keep-mb belongs to --keep")
    assert problem([*CAMERA, "--keep-mb", "5", "--keep", "kept"]) is None
    assert CameraSettings.keep_bytes == 500 * MEGABYTE  # as the help says


def test_sidecars_are_for_photos_and_a_watched_folder(capsys: pytest.CaptureFixture[str]) -> None:
    for command in (CAMERA, SERVE, ["--info"]):
        message = usage_error([*command, "--write-xmp"], capsys)
        assert message.endswith("error: --write-xmp is for photos and --watch")
    assert problem([*WATCH, "--write-xmp"]) is None
    assert problem(["x.jpg", "--write-xmp"]) is None


def test_a_command_must_be_given_and_all_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in ([], ["--info", "--systemd-unit", "watch"], ["x.jpg", *CAMERA]):
        message = usage_error(arguments, capsys)
        assert all(option[0] in message for option in (WATCH, CAMERA, SERVE, *OTHERS[1:]))
