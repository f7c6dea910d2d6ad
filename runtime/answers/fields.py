"""The JSON values of an answer, with what the user asked for: names in a language, Latin names, time and place."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from runtime.answers.answer import Answer, answer_to_dict
from runtime.errors import PhotoError
from runtime.photos.open_photo import Photo, capture_details
from runtime.photos.structure.capture_details import CaptureDetails
from runtime.species.names import SpeciesNames, shipped_names


@dataclass(frozen=True)
class AnswerFields:
    """What is said about a photo besides the answer itself."""

    read_names: Callable[[], SpeciesNames] = shipped_names
    """Returns the names of the species. One that they do not contain has its label as its only name. It is called when
    a name is first needed, because reading them takes time and a table of labels needs none."""
    language: str | None = None
    """Of ``name``; None for no ``name``."""
    taken: bool = False
    """Whether to say when the photo was taken."""
    place: bool = False
    """Whether to say where it was taken."""

    @property
    def names(self) -> SpeciesNames:
        """The names of the species."""
        return self.read_names()

    def to_dict(self, name: str, answer: Answer, photo: Photo | None = None) -> dict[str, Any]:
        """Return the JSON values of an answer: those of `answer_to_dict`, extended by `extend`."""
        return self.extend(answer_to_dict(name, answer), photo)

    def extend(self, values: dict[str, Any], photo: Photo | None = None) -> dict[str, Any]:
        """Add what the user asked for to the JSON values of an answer, and return them.

        Each prediction gets ``latin``, which may be None, and ``name`` if there is a language. ``taken``, ``latitude``
        and ``longitude`` are added if asked for, and None if unknown.

        Args:
            values: from `answer_to_dict`; changed in place.
            photo: in which time and place are looked for; None if it has none, as a frame of a camera.
        """
        for prediction in values["predictions"]:
            prediction["latin"] = self.names.latin(prediction["label"])
            if self.language is not None:
                prediction["name"] = self.names.name(prediction["label"], self.language)
        if self.taken or self.place:
            details = _details(photo)
            values |= {"taken": details.taken} if self.taken else {}
            values |= {"latitude": details.latitude, "longitude": details.longitude} if self.place else {}
        return values

    def shown_name(self, label: str, *, with_latin: bool = False) -> str:
        """Return the name of a species for people.

        Args:
            label: of the class.
            with_latin: put the Latin name behind it.
        """
        name = label if self.language is None else self.names.name(label, self.language)
        latin = self.names.latin(label) if with_latin else None
        return f"{name} ({latin})" if latin and latin != name else name


def keywords(values: Mapping[str, Any]) -> list[str]:
    """Return what to write beside a photo: its name and its Latin name; nothing unless the verdict is a name.

    Args:
        values: from `AnswerFields.to_dict`.
    """
    if values["verdict"] != "name":
        return []
    best = values["predictions"][0]
    return [name for name in dict.fromkeys((best.get("name", best["label"]), best["latin"])) if name]


def _details(photo: Photo | None) -> CaptureDetails:
    try:
        return CaptureDetails() if photo is None else capture_details(photo)
    except PhotoError:  # the photo was answered, and has changed since
        return CaptureDetails()
