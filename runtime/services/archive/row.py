"""`Row`: what a table of answers says about one photo. All formats of tables have these columns in this order."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Literal

ColumnType = Literal["text", "integer", "number", "truth", "predictions"]
COLUMNS: Mapping[str, ColumnType] = {
    "photo": "text",
    "photo_bytes": "text",
    "size": "integer",
    "modified_ns": "integer",
    "sha256": "text",
    "verdict": "text",
    "label": "text",
    "probability": "number",
    "familiarity": "number",
    "name": "text",
    "latin": "text",
    "taken": "text",
    "latitude": "number",
    "longitude": "number",
    "predictions": "predictions",
    "fingerprint": "text",
    "error": "text",
    "error_kind": "text",
    "passing": "truth",
    "settings": "text",
}
"""Column → type. ``predictions`` is a list of objects: ``label`` (text), ``index`` (integer), ``probability``."""
OF_FILE = ("photo", "photo_bytes", "size", "modified_ns")
"""The columns that two photos with the same bytes do not share."""
PREDICTION_FIELDS: Mapping[str, ColumnType] = {"label": "text", "index": "integer", "probability": "number"}
"""Field of a prediction → type."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a table of answers. A value is None where there is none. Either ``verdict`` or ``error`` is given."""

    photo: str
    """Its name, as valid text."""
    photo_bytes: str | None = None
    """The bytes of the name in hexadecimal if it is no valid text (`runtime.answers.answer.photo_name`)."""
    size: int | None = None
    """Bytes; None if the photo was not found."""
    modified_ns: int | None = None
    """Time of the last change of the file, nanoseconds since 1970."""
    sha256: str | None = None
    """Of the photo's bytes, in hexadecimal; None if they could not be read."""
    verdict: str | None = None
    """A `runtime.answers.answer.Verdict`."""
    label: str | None = None
    """The most probable class."""
    probability: float | None = None
    """Of that class, 0 to 1, rounded to six digits."""
    familiarity: float | None = None
    """See `runtime.answers.answer.Answer`; rounded to six digits."""
    name: str | None = None
    """Of the most probable class, in the language that was asked for."""
    latin: str | None = None
    """Latin name of the most probable class."""
    taken: str | None = None
    """When the photo was taken, ISO 8601."""
    latitude: float | None = None
    """Degrees, north positive (WGS 84)."""
    longitude: float | None = None
    """Degrees, east positive."""
    predictions: tuple[dict[str, Any], ...] | None = None
    """The most probable classes, the most probable first, with the fields `PREDICTION_FIELDS`."""
    fingerprint: str | None = None
    """64 bits in 16 hexadecimal digits. Those of photos that look nearly the same differ in few bits."""
    error: str | None = None
    """Why there is no answer, without the photo's name."""
    error_kind: str | None = None
    """One word for the kind of error, to count by."""
    passing: bool | None = None
    """Whether the cause of the error may pass, so that a later run tries again; None without an error."""
    settings: str = ""
    """16 hexadecimal digits of a digest of the model file and the options that change answers."""

    def to_dict(self) -> dict[str, Any]:
        """Return the row as JSON values, in the order of `COLUMNS`. Predictions are a list."""
        values = {column: getattr(self, column) for column in COLUMNS}  # `asdict` takes a hundred times as long
        values["predictions"] = None if self.predictions is None else [dict(each) for each in self.predictions]
        return values

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Row":
        """Make a row from what `to_dict` returned. Columns that are not known are left out.

        Raises:
            KeyError: ``photo`` is missing.
        """
        known = {field.name: values[field.name] for field in fields(cls) if field.name in values}
        predictions = known.get("predictions")
        known["predictions"] = None if predictions is None else tuple(dict(each) for each in predictions)
        return cls(**{"photo": values["photo"], **known})

    def of_other_photo(self, other: "Row") -> "Row":
        """Return this row for another photo with the same bytes.

        Args:
            other: has the columns `OF_FILE` of that photo.
        """
        return replace(self, **{column: getattr(other, column) for column in OF_FILE})
