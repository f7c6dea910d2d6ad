"""What many photos cost on many cores: a model through measured points.

The processes of an archive share nothing but the memory's bandwidth, the disk, and the main process, which lists the
photos and writes the table. So the rate on ``n`` cores is modelled as the smaller of

- the rate of one core times ``n / (1 + s (n - 1))``, Amdahl's law (G. Amdahl, AFIPS 1967) with the share ``s`` of the
  measured points with one and with two processes, from the quartiles that make it largest; with ``s = 0`` it is linear,
- the rate of the main process.

What the storage must be able to read is that rate times the bytes of a photo; it is not part of the model.
"""

from collections.abc import Mapping, Sequence
from typing import Any

CORES = (1, 2, 4, 16, 64)
PHOTOS = (1_000_000, 1_000_000_000)


def serial_share(one: float, two: float) -> float:
    """Return the share of the work that does not run in parallel, from the rates of one and of two processes."""
    return max(0.0, 2 * one / two - 1)


def photos_per_second(cores: int, one: float, share: float, main_ms: float) -> float:
    """Return the modelled rate.

    Args:
        cores: each with one process of one thread.
        one: photos per second of one process.
        share: from `serial_share`; 0 for a linear growth.
        main_ms: milliseconds that the main process takes for each photo.
    """
    return min(one * cores / (1 + share * (cores - 1)), 1000 / main_ms)


def cost_rows(models: Sequence[Mapping[str, Any]], main_ms: float) -> list[dict[str, Any]]:
    """Return the modelled rates and the cost of each model file.

    Args:
        models: ``name``, ``one`` and ``two``: median and quartiles of the photos per second of one and two processes.
        main_ms: milliseconds that the main process takes for each photo.
    """
    rows = []
    for model in models:
        one = model["one"]["median"]
        # Of the quartiles, those that make the share largest: with the medians, noise often makes it zero.
        share = serial_share(model["one"]["p75"], model["two"]["p25"])
        rows.append(
            {
                "name": model["name"],
                "serial_share": share,
                "rates": {
                    cores: {
                        "low": photos_per_second(cores, one, share, main_ms),
                        "high": photos_per_second(cores, one, 0.0, main_ms),
                    }
                    for cores in CORES
                },
                "core_hours": {photos: photos / one / 3600 for photos in PHOTOS},
                "cores_of_main_process": 1000 / main_ms / one,
            }
        )
    return rows
