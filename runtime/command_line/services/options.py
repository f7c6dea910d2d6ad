"""Options of ``flower-infer`` for what runs until it is stopped: watching, a camera, HTTP, and where answers go."""

import argparse

from runtime.command_line.arguments import positive_int

OF_CAMERA = ("every", "on_motion", "keep", "keep_mb")
OF_SERVE = ("host", "port", "page", "token_file", "allow_anyone")
OF_DELIVERY = ("mqtt", "webhook", "exec", "deliver", "cooldown", "outbox", "device_id")
MEGABYTE = 1_000_000
"""Bytes in the unit of ``--keep-mb``."""


def add_service_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of all services."""
    watch = parser.add_argument_group("watching a folder")
    watch.add_argument("--watch", metavar="FOLDER", help="answer photos as they arrive in a folder, until Ctrl-C")
    camera = parser.add_argument_group("camera")
    camera.add_argument(
        "--camera",
        metavar="SOURCE",
        help="answer what a camera sees: 0, /dev/video1, picamera, rtsp://… or a film; a JSON line for each new answer",
    )
    camera.add_argument("--every", type=_seconds, metavar="S", help="seconds between two looks (default: 1)")
    camera.add_argument("--on-motion", action="store_true", help="look only while something moves or has changed")
    camera.add_argument("--keep", metavar="FOLDER", help="keep the picture of each answer")
    camera.add_argument(
        "--keep-mb", type=positive_int, metavar="N", help="size at which the oldest pictures are removed (default: 500)"
    )
    serve = parser.add_argument_group("HTTP")
    serve.add_argument("--serve", action="store_true", help="answer photos that are sent by HTTP: POST /classify")
    serve.add_argument("--host", metavar="ADDRESS", help="(default: 127.0.0.1, this machine only)")
    serve.add_argument("--port", type=_port, metavar="N", help="0 for a free one (default: 8000)")
    serve.add_argument("--page", metavar="FOLDER", help="a web page for /, made by python -m export web")
    serve.add_argument("--token-file", metavar="FILE", help="a file with the token that requests must have")
    serve.add_argument(
        "--allow-anyone", action="store_true", help="listen beyond this machine without a token, for a trusted network"
    )
    delivery = parser.add_argument_group("where the answers go, for --watch, --camera and --serve")
    delivery.add_argument("--mqtt", metavar="URL", help="mqtt://user@host/ or mqtts://…; appears in Home Assistant")
    delivery.add_argument("--webhook", metavar="URL", help="POST each answer as JSON")
    delivery.add_argument("--exec", metavar="COMMAND", help="start a command with the answer as JSON on its input")
    delivery.add_argument(
        "--deliver", choices=("names", "all"), help="answers that are a name, or all answers (default: names)"
    )
    delivery.add_argument(
        "--cooldown", type=_seconds, metavar="S", help="seconds until the same species is delivered again (default: 0)"
    )
    delivery.add_argument(
        "--outbox", metavar="FILE", help="keeps what is not yet delivered (default: in the state folder)"
    )
    delivery.add_argument("--device-id", metavar="NAME", help="name of this device for MQTT (default: HOST-SERVICE)")


def misplaced_option(options: argparse.Namespace) -> str | None:
    """Return what is wrong if an option was given without what it belongs to, otherwise None."""
    groups = (
        (OF_CAMERA, "--camera", options.camera),
        (OF_SERVE, "--serve", options.serve),
        (OF_DELIVERY, "--watch, --camera and --serve", options.watch or options.camera or options.serve),
    )
    for names, owner, given in groups:
        for name in names:
            value = getattr(options, name)
            # 0 is a value that was given, and it is equal to False.
            if not given and not (value is None or value is False):
                return f"--{name.replace('_', '-')} is for {owner}"
    if options.keep_mb is not None and not options.keep:
        return "--keep-mb belongs to --keep"
    if options.write_xmp and not (options.photos or options.watch):
        return "--write-xmp is for photos and --watch"
    return None


def _seconds(text: str) -> float:
    """Convert an argument to a number of seconds of at least 0 (an argparse type)."""
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 <= number <= 31_536_000:
        raise argparse.ArgumentTypeError(f"must be a number of seconds from 0 up, not {text!r}")
    return number


def _port(text: str) -> int:
    """Convert an argument to the number of a port (an argparse type)."""
    if not (text.isascii() and text.isdigit() and int(text) <= 65_535):
        raise argparse.ArgumentTypeError(f"must be 0 to 65535, not {text!r}")
    return int(text)
