"""Starting the services of ``flower-infer``: watching a folder, a camera, and HTTP."""

import argparse
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from runtime.answers.fields import AnswerFields, keywords
from runtime.answers.xmp_sidecar import sidecar_problem
from runtime.classifier import FlowerClassifier
from runtime.command_line.descriptions import model_values
from runtime.command_line.names_and_cuts import answer_fields
from runtime.command_line.program import EXIT_OK
from runtime.command_line.services.options import MEGABYTE
from runtime.command_line.standard_streams import print_line, print_message, printable
from runtime.command_line.termination import terminable
from runtime.errors import FlowerError
from runtime.photos.formats import load_all_decoders
from runtime.services.delivery.delivery import Delivery, DeliverySettings, open_delivery
from runtime.services.delivery.event import Source
from runtime.services.systemd.messages import notify, sign_of_life_s


def run_service(classifier: FlowerClassifier, options: argparse.Namespace) -> int:
    """Run the service that the options name, and return the exit status.

    Raises:
        FlowerError: an option is not valid, a package is missing, or a file, a camera or an address cannot be used.
    """
    load_all_decoders()
    fields = answer_fields(options, classifier.classes)
    source: Source = "watch" if options.watch else "camera" if options.camera else "serve"
    service = {"watch": _watch, "camera": _camera, "serve": _serve}[source]
    with open_delivery(_delivery_settings(options), source=source, say=print_message) as delivery:
        return service(classifier, options, fields, delivery)


def _delivery_settings(options: argparse.Namespace) -> DeliverySettings:
    return DeliverySettings(
        mqtt=options.mqtt,
        webhook=options.webhook,
        command=options.exec,
        everything=options.deliver == "all",
        cooldown_s=options.cooldown or 0,
        outbox=Path(options.outbox) if options.outbox else None,
        device_id=options.device_id,
    )


def _watch(classifier: FlowerClassifier, options: argparse.Namespace, fields: AnswerFields, delivery: Delivery) -> int:
    from runtime.services.watching.answer_log import DEFAULT_LOG_NAME, FileVersion, open_answer_log
    from runtime.services.watching.watch import watch

    folder = Path(options.watch)
    if not folder.is_dir():
        raise FlowerError(f"{folder}: {'not a folder' if folder.exists() else 'no such folder to watch'}")
    say: Callable[[str], None] = (lambda _: None) if options.quiet else print_message

    said: set[Path] = set()

    def on_answer(photo: str, version: FileVersion, values: dict[str, Any]) -> None:
        # First the sidecar: if the process is killed here, nothing was delivered that would be delivered again.
        problem = sidecar_problem(photo, keywords(values)) if options.write_xmp else None
        if problem is not None and (folder := Path(photo).parent) not in said:
            said.add(folder)
            print_message(f"{problem}; further problems in this folder are not said")
        # After a kill between the delivery and the log, the same answer has the same identifier.
        delivery.offer(values, photo, identity=f"{photo}\0{version.size}\0{version.modified_ns}")

    with (
        open_answer_log(Path(options.output) if options.output else folder / DEFAULT_LOG_NAME, print_message) as log,
        terminable(lambda: notify("STOPPING=1")),
    ):
        if not options.quiet and sys.stderr is not None and sys.stderr.isatty():
            print_message(f"watching {folder}; answers go to {log.path}; Ctrl-C ends it")
        notify("READY=1")
        lines = watch(
            classifier,
            folder,
            log,
            options.top,
            say=say,
            describe=lambda name, answer: fields.to_dict(name, answer, name),
            on_answer=on_answer,
            alive=_heartbeat(),
        )
        for line in lines:
            if not options.quiet:
                print_line(line)
    return EXIT_OK


def _camera(classifier: FlowerClassifier, options: argparse.Namespace, fields: AnswerFields, delivery: Delivery) -> int:
    from runtime.services.camera.answer_camera import CameraSettings, answer_camera

    given = {
        "every_s": options.every,
        "keep": Path(options.keep) if options.keep else None,
        "keep_bytes": options.keep_mb * MEGABYTE if options.keep_mb else None,
    }
    settings = CameraSettings(
        options.camera,
        on_motion=options.on_motion,
        top=options.top,
        **{name: value for name, value in given.items() if value is not None},
    )
    answered = False
    with terminable(lambda: notify("STOPPING=1")):
        # The first call comes with the first frame: a camera that cannot be opened is not ready.
        for each in answer_camera(classifier, settings, say=print_message, on_frame=_ready_at_first_call(_heartbeat())):
            values = fields.extend(each.answer)
            delivery.offer(values, each.picture)
            answered = True
            if not options.quiet:
                print_line(_camera_line(values, options, fields))
    if not answered:  # only a film ends
        print_message(
            f"{options.camera}: no answer was the same for {settings.hold} frames in a row; try a smaller --every"
        )
    return EXIT_OK


def _camera_line(values: dict[str, Any], options: argparse.Namespace, fields: AnswerFields) -> str:
    """Return an answer as JSON, or on a terminal as a short line."""
    if options.json or sys.stdout is None or not sys.stdout.isatty():
        return json.dumps(values)
    best = values["predictions"][0]
    name = printable(fields.shown_name(best["label"], with_latin=options.latin))
    what = name if values["verdict"] == "name" else f"{values['verdict']} (nearest: {name})"
    return f"{time.strftime('%H:%M:%S')}  {what}  {best['probability']:.1%}"


def _serve(classifier: FlowerClassifier, options: argparse.Namespace, fields: AnswerFields, delivery: Delivery) -> int:
    from runtime.services.serving.serve import serve
    from runtime.services.serving.settings import ServeSettings, read_token

    given = {
        "host": options.host,
        "port": options.port,
        "page": Path(options.page) if options.page else None,
        "token": read_token(Path(options.token_file) if options.token_file else None),
    }
    settings = ServeSettings(
        top=options.top,
        allow_anyone=options.allow_anyone,
        **{name: value for name, value in given.items() if value is not None},
    )
    serve(
        classifier,
        settings,
        say=print_message,
        on_answer=delivery.offer,
        extend=fields.extend,
        description=model_values(classifier),
    )
    return EXIT_OK


def _heartbeat() -> Callable[[], None]:
    """Return a function that tells systemd's watchdog, not too often, that the service is alive."""
    last, interval = [0.0], sign_of_life_s()

    def alive() -> None:
        if time.monotonic() - last[0] >= interval:
            last[0] = time.monotonic()
            notify("WATCHDOG=1")

    return alive


def _ready_at_first_call(alive: Callable[[], None]) -> Callable[[], None]:
    """Return a function that calls ``alive``, and whose first call tells systemd that the service is ready."""
    messages = ["READY=1"]

    def ready_and_alive() -> None:
        if messages:
            notify(messages.pop())
        alive()

    return ready_and_alive
