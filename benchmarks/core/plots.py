"""The plots of the reports, as PNG."""

import io
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib
import numpy as np

matplotlib.use("Agg")

from matplotlib import colors, ticker
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

COLOURS = ("#8a8f98", "#4c78a8", "#e45756", "#72b7b2", "#f58518")


def accuracy_plot(models: Sequence[Mapping[str, Any]]) -> bytes:
    """Draw top-1, top-5 and mean per-class accuracy of each model, with 95 % intervals.

    Args:
        models: each with ``name`` and ``accuracy`` (`benchmarks.measurements.accuracy.figures`).
    """
    figure, axes = plt.subplots(figsize=(8, 1.2 + 0.75 * len(models)), layout="constrained")
    measures = (("top1", "top-1"), ("top5", "top-5"), ("mean_per_class", "mean per class"))
    for row, model in enumerate(models):
        for column, (key, label) in enumerate(measures):
            value = 100 * model["accuracy"][key]
            low, high = (100 * bound for bound in model["accuracy"][f"{key}_interval"])
            place = row + 0.22 * (column - 1)
            axes.errorbar(
                value,
                place,
                xerr=[[max(0.0, value - low)], [max(0.0, high - value)]],
                fmt="os^"[column],
                color=COLOURS[column + 1],
                capsize=4,
                label=label if row == 0 else None,
            )
            axes.annotate(
                f"{value:.2f}", (value, place), xytext=(0, 5), textcoords="offset points", ha="center", fontsize=8
            )
    axes.set_yticks(range(len(models)), [model["name"] for model in models])
    axes.set_ylim(len(models) - 0.5, -0.6)
    axes.set(xlabel="% of the photographs, with 95 % intervals", title="Accuracy")
    axes.grid(axis="x", alpha=0.3)
    axes.legend(loc="upper left", bbox_to_anchor=(1, 1))
    return _png(figure)


def latency_plot(milliseconds: Mapping[str, np.ndarray]) -> bytes:
    """Draw the distribution of the latency of each model.

    Args:
        milliseconds: name → float, shape (rounds,).
    """
    figure, axes = plt.subplots(figsize=(8, 1.2 + 0.6 * len(milliseconds)), layout="constrained")
    names = list(milliseconds)
    boxes = axes.boxplot(
        [milliseconds[name] for name in names],
        orientation="horizontal",
        widths=0.6,
        patch_artist=True,
        showfliers=False,
        whis=(5, 95),
        medianprops={"color": "black"},
    )
    for box, colour in zip(boxes["boxes"], COLOURS, strict=False):
        box.set_facecolor(colour)
    for row, name in enumerate(names, start=1):
        median, p95 = np.percentile(milliseconds[name], [50, 95]).tolist()
        axes.annotate(
            f"{median:.1f} ms", (p95, row), xytext=(6, 0), textcoords="offset points", va="center", fontsize=9
        )
    axes.set_yticks(range(1, len(names) + 1), names)
    axes.invert_yaxis()
    axes.set_xlim(0, 1.12 * max(float(np.percentile(values, 95)) for values in milliseconds.values()))
    axes.set(
        xlabel="milliseconds for one photograph; box: quartiles, whiskers: 5th to 95th percentile",
        title="Latency of the network",
    )
    axes.grid(axis="x", alpha=0.3)
    return _png(figure)


def confusion_plot(table: np.ndarray, name: str) -> bytes:
    """Draw the confusion matrix in percent of the true class, without the correct answers on its diagonal.

    Args:
        table: int, shape (classes, classes): images by true class and answer.
        name: of the model.
    """
    shares = table / np.maximum(1, table.sum(axis=1, keepdims=True))
    np.fill_diagonal(shares, 0)
    figure, axes = plt.subplots(figsize=(7, 6), layout="constrained")
    image = axes.imshow(100 * shares, cmap="Reds", interpolation="nearest", vmin=0)
    figure.colorbar(image, label="% of the class's photographs")
    axes.set(xlabel="answer (class number)", ylabel="true class (number)", title=f"Errors of {name}")
    return _png(figure)


def per_class_plot(shares: np.ndarray, name: str) -> bytes:
    """Draw a histogram of the classes by their accuracy.

    Args:
        shares: float, shape (classes,), 0 to 1; NaN for a class without images.
        name: of the model.
    """
    figure, axes = plt.subplots(figsize=(8, 3), layout="constrained")
    axes.hist(
        100 * shares[~np.isnan(shares)], bins=np.linspace(0, 100, 21).tolist(), color=COLOURS[1], edgecolor="white"
    )
    axes.set(xlabel="accuracy in the class, %", ylabel="classes", title=f"Classes by accuracy, {name}")
    axes.grid(axis="y", alpha=0.3)
    return _png(figure)


def risk_plot(curves: Mapping[str, tuple[np.ndarray, np.ndarray]], marks: Sequence[tuple[str, float, float]]) -> bytes:
    """Draw the share of wrong answers over the share of photographs that get one.

    Args:
        curves: name → coverage and risk, each float, 0 to 1, shape (points,).
        marks: name, coverage and risk of each operating point.
    """
    figure, axes = plt.subplots(figsize=(8, 4.5), layout="constrained")
    for (name, (coverage, risk)), colour in zip(curves.items(), COLOURS[1:], strict=False):
        axes.plot(100 * coverage, 100 * risk, color=colour, label=name)
    for (name, answered, wrong), marker in zip(marks, "oDs^", strict=False):
        axes.plot(100 * answered, 100 * wrong, marker, color="black", markersize=8, label=name)
    axes.set(
        xlabel="% of the photographs that get a name",
        ylabel="% of these names that are wrong",
        title="Risk and coverage",
        xlim=(0, 100),
    )
    axes.set_ylim(bottom=0)
    axes.grid(alpha=0.3)
    axes.legend(loc="upper left")
    return _png(figure)


def tradeoff_plot(models: Sequence[Mapping[str, Any]]) -> bytes:
    """Draw the accuracy of models against their time, with 95 % intervals and quartiles.

    Args:
        models: each with ``name``, ``accuracy`` (`benchmarks.measurements.accuracy.figures`), and the quartiles of its
            milliseconds, ``network`` and ``answer`` (``p25_ms``, ``p50_ms``, ``p75_ms``).
    """
    figure, axes = plt.subplots(figsize=(8, 4.5), layout="constrained")
    for colour, (key, title) in enumerate((("network", "the network alone"), ("answer", "a photo to its answer")), 1):
        for index, model in enumerate(models):
            time, top1 = model[key], 100 * model["accuracy"]["top1"]
            low, high = (100 * bound for bound in model["accuracy"]["top1_interval"])
            axes.errorbar(
                time["p50_ms"],
                top1,
                xerr=[[time["p50_ms"] - time["p25_ms"]], [time["p75_ms"] - time["p50_ms"]]],
                yerr=[[max(0.0, top1 - low)], [max(0.0, high - top1)]],
                fmt="os"[colour - 1],
                color=COLOURS[colour],
                capsize=4,
                label=title if index == 0 else None,
            )
            axes.annotate(model["name"], (time["p50_ms"], top1), xytext=(6, 6), textcoords="offset points", fontsize=9)
    axes.set_xlim(left=0)
    axes.set(xlabel="milliseconds", ylabel="top-1, %", title="Accuracy against time")
    axes.grid(alpha=0.3)
    axes.legend(loc="lower right")
    return _png(figure)


def scaling_plot(models: Sequence[Mapping[str, Any]], measured: Sequence[Mapping[str, Any]]) -> bytes:
    """Draw photos per second over cores: measured points, and the model through them.

    Args:
        models: each with ``name`` and ``rates``: cores → ``low`` and ``high``, photos per second.
        measured: each with ``model``, ``processes``, ``threads`` and the quartiles of its photos per second. Those with
            one thread are drawn.
    """
    figure, axes = plt.subplots(figsize=(8, 4.5), layout="constrained")
    for model, colour in zip(models, COLOURS[1:], strict=False):
        cores, rates = list(model["rates"]), list(model["rates"].values())
        axes.fill_between(
            cores, [rate["low"] for rate in rates], [rate["high"] for rate in rates], color=colour, alpha=0.2
        )
        points = [row for row in measured if row["model"] == model["name"] and row["threads"] == 1]
        median = np.array([row["median"] for row in points])
        axes.errorbar(
            [row["processes"] for row in points],
            median,
            yerr=[median - [row["p25"] for row in points], [row["p75"] for row in points] - median],
            fmt="o",
            color=colour,
            label=model["name"],
        )
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    axes.xaxis.set_major_formatter(ticker.FormatStrFormatter("%g"))
    axes.yaxis.set_major_formatter(ticker.FormatStrFormatter("%g"))
    axes.set(
        xlabel="cores, one process on each",
        ylabel="photos per second",
        title="Measured points, and the model between its lower and upper bound",
    )
    axes.grid(alpha=0.3, which="both")
    axes.legend(loc="upper left")
    return _png(figure)


def sizes_plot(networks: Mapping[str, Sequence[Mapping[str, Any]]], front: Sequence[Mapping[str, Any]]) -> bytes:
    """Draw the accuracy of networks against their time, one line for each over the sizes of its photos.

    Args:
        networks: name → its points, the smallest photos first; each with ``size`` in pixels, ``p50_ms``, ``top1`` and
            ``top1_interval``.
        front: the points that no other one beats in time without being less accurate.
    """
    figure, axes = plt.subplots(figsize=(9, 5.5), layout="constrained")
    for index, (name, points) in enumerate(networks.items()):
        top1 = np.array([100 * point["top1"] for point in points])
        low, high = np.array([[100 * bound for bound in point["top1_interval"]] for point in points]).T
        axes.errorbar(
            [point["p50_ms"] for point in points],
            top1,
            yerr=[(top1 - low).clip(0), (high - top1).clip(0)],
            fmt="-" + "osD^vPX*"[index % 8],
            color=f"C{index}",
            markersize=5,
            ecolor=(*colors.to_rgb(f"C{index}"), 0.25),
            label=name,
        )
    for point in front:
        place = point["p50_ms"], 100 * point["top1"]
        axes.plot(*place, "o", markersize=12, markerfacecolor="none", markeredgecolor="black")
        axes.annotate(str(point["size"]), place, xytext=(0, 9), textcoords="offset points", ha="center", fontsize=8)
    axes.set_xscale("log", base=2)
    axes.xaxis.set_major_formatter(ticker.FormatStrFormatter("%g"))
    axes.set(
        xlabel="milliseconds of the network for one photo; circles: no point is faster and as accurate, with pixels",
        ylabel="top-1, %, with 95 % intervals",
        title="Accuracy against time, over the sizes of the photos",
    )
    axes.grid(alpha=0.3)
    axes.legend(loc="lower right")
    return _png(figure)


def _png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110)
    plt.close(figure)
    return buffer.getvalue()
