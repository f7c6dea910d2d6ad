"""The bundle's README and NOTICE, filled in from ``templates/``."""

from collections.abc import Mapping
from importlib.resources import files
from string import Template

from export.mobile.photo_graph import TOP
from finetune.data.dataset import OXFORD
from runtime.distribution import __version__, module_command, tool_versions
from runtime.inference.model_file import ModelInfo

UNKNOWN = "not recorded"
WITH_FAMILIARITY = {
    "cuts": "2: `familiarity` is below $least; 1: otherwise, the first probability is below $threshold; 0: neither",
    "familiarity": (
        "| output `familiarity` | float32, (1) | 0 to 1, how much the photo is like the training photographs of the "
        "first name; a typical new photo has 0.5 |\n"
    ),
    "unsure": "Between",
    "joint": "and",
}
"""The README's words about the verdicts of a model with familiarity."""
WITHOUT_FAMILIARITY = {
    "cuts": "1: the first probability is below $threshold; 0: it is not",
    "familiarity": "",
    "unsure": "Not sure:",
    "joint": "or",
}


def readme_text(info: ModelInfo, fixed_size_file: str, check: str, *, has_familiarity: bool) -> str:
    """Return the README of a bundle.

    Args:
        info: the metadata of the model file.
        fixed_size_file: name of the ORT file that takes a square.
        check: one sentence about the check of the bundle.
        has_familiarity: whether the model has the output ``familiarity``.
    """
    providers = _read_template("providers-int8" if info.precision == "int8" else "providers-float")
    words = WITH_FAMILIARITY if has_familiarity else WITHOUT_FAMILIARITY
    verdicts = _read_template("verdicts-familiarity" if has_familiarity else "verdicts-probability")
    cuts = {"threshold": f"{info.threshold:.3g}", "least": f"{info.familiarity_threshold:.3g}"}
    return _read_template("README").substitute(
        {key: Template(text).substitute(cuts) for key, text in words.items()},
        verdicts=verdicts.substitute().strip(),
        top=min(TOP, len(info.classes)),
        classes=len(info.classes),
        architecture=info.architecture or "network",
        precision=info.precision.upper(),
        size=info.preprocessing.size,
        square=fixed_size_file,
        checked=check,
        onnxruntime=tool_versions("onnxruntime")["onnxruntime"],
        providers=providers.substitute(export=module_command("export")).strip(),
    )


def notice_text(info: ModelInfo, source: Mapping[str, str]) -> str:
    """Return the licence and the origin of a bundle. What the model file does not record is `UNKNOWN`.

    Args:
        info: the metadata of the model file.
        source: ``name`` and ``sha256`` of the model file.
    """
    provenance = info.provenance
    text = _read_template("NOTICE").substitute(
        {key: provenance.get(key) or UNKNOWN for key in ("dataset", "train_split", "train_images")},
        version=__version__,
        model=source["name"],
        model_sha256=source["sha256"],
        checkpoint_sha256=info.training.get("checkpoint_sha256", UNKNOWN),
        weights=provenance.get("weights") or UNKNOWN,
        weights_sha256=provenance.get("weights_sha256") or UNKNOWN,
    )
    return text + (_read_template("NOTICE-oxford").substitute() if provenance.get("dataset") == OXFORD else "")


def _read_template(name: str) -> Template:
    return Template(files(__package__).joinpath("templates", f"{name}.md.in").read_text(encoding="utf-8"))
