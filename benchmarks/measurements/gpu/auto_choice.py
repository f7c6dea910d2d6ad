"""Whether ``auto`` chooses the fastest of the measured devices, from the figures of inference."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.core.timing import speedup
from runtime.errors import DeviceError, ModelError
from runtime.inference.session import Session


def chosen_devices(files: Mapping[str, Path], threads: int) -> list[dict[str, Any]]:
    """Open each file with ``auto``.

    Args:
        files: form → model file.
        threads: of the CPU.

    Returns:
        Rows with ``form``, ``device`` (None if no device opens the file) and ``passed_over``, the devices that did not
        start, each with the reason.
    """
    rows = []
    for form, path in files.items():
        try:
            session = Session(path, device="auto", threads=threads)
        except (DeviceError, ModelError) as error:
            rows.append({"form": form, "device": None, "passed_over": {"auto": str(error)}})
        else:
            rows.append({"form": form, "device": session.device, "passed_over": session.failed_devices})
    return rows


def statements(choices: Sequence[Mapping[str, Any]], rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Compare the choice of ``auto`` for each file with the other devices that were measured with it.

    Two devices differ if the quartiles of the ratios within the rounds lie on one side of 1.

    Args:
        choices: rows of `chosen_devices`.
        rows: of `benchmarks.measurements.gpu.inference.measure_inference`.

    Returns:
        For each file and batch that was measured: ``form``, ``batch``, ``is_slower`` (whether another device is faster;
        None if there is nothing to compare) and ``text``, which says what ``auto`` chooses and how fast that is.
    """
    found = []
    for choice in choices:
        form = choice["form"]
        measured = {row["device"]: row["milliseconds"] for row in rows if row["form"] == form and "failed" not in row}
        for batch in sorted({size for each in measured.values() for size in each}, key=int):
            is_slower, text = _judge(
                choice["device"], {device: np.array(each[batch]) for device, each in measured.items()}
            )
            found.append({"form": form, "batch": int(batch), "is_slower": is_slower, "text": text})
    return found


def _judge(chosen: str | None, times: Mapping[str, np.ndarray]) -> tuple[bool | None, str]:
    """Return whether another device is faster than the chosen one, and sentences about it."""
    if chosen is None:
        return None, "`auto` opens no device with this file."
    if chosen not in times:
        return None, f"`auto` chooses {chosen}, which was not measured with this file."
    others = [device for device in times if device != chosen]
    if not others:
        return None, f"`auto` chooses {chosen}. No other device was measured with this file."
    best = min(others, key=lambda device: float(np.median(times[device])))
    ratio = speedup(times[best], times[chosen])
    if ratio["p25"] > 1:
        return True, f"`auto` chooses {chosen}. {best} is faster: {_times(ratio)} times as fast."
    if ratio["p75"] < 1:
        ratio = speedup(times[chosen], times[best])
        return False, f"`auto` chooses {chosen}, the fastest measured: {_times(ratio)} times as fast as {best}."
    return False, f"`auto` chooses {chosen}. {best} does not differ: {_times(ratio)} times as fast."


def _times(ratio: Mapping[str, float]) -> str:
    return f"{ratio['median']:.2f} ({ratio['p25']:.2f} to {ratio['p75']:.2f})"
