"""What is said about a photo besides the answer."""

import io
from pathlib import Path

import pytest
from PIL import Image

from runtime.answers.answer import Answer, Prediction
from runtime.answers.fields import AnswerFields, keywords
from runtime.command_line.flower_infer import main
from runtime.species.names import shipped_names

ROSE, CRESS = Prediction("rose", 73, 0.9), Prediction("watercress", 88, 0.1)


def answer(verdict: str = "name") -> Answer:
    return Answer((ROSE, CRESS), verdict, 0.5, CRESS)  # type: ignore[arg-type]


def test_each_name_has_its_label_and_its_latin_name() -> None:
    plain, german = (AnswerFields(language=code).to_dict("a.jpg", answer()) for code in (None, "de"))
    assert [each["label"] for each in german["predictions"]] == ["rose", "watercress"]
    assert [each["latin"] for each in plain["predictions"]] == ["Rosa cultivars", "Tropaeolum majus"]
    assert [each["name"] for each in german["predictions"]] == ["Rose", "Große Kapuzinerkresse"]
    assert all("name" not in each for each in plain["predictions"])
    assert "taken" not in plain


def test_own_classes_without_names_have_their_labels() -> None:
    own = Answer((Prediction("my fern", 0, 1.0),), "name")
    values = AnswerFields(language="de").to_dict("a.jpg", own)
    assert values["predictions"][0]["latin"] is None
    assert values["predictions"][0]["name"] == "my fern"
    assert keywords(values) == ["my fern"]


def test_keywords_are_the_name_and_the_latin_name() -> None:
    fields = AnswerFields(language="de")
    assert keywords(fields.to_dict("a.jpg", answer())) == ["Rose", "Rosa cultivars"]
    assert keywords(AnswerFields().to_dict("a.jpg", answer())) == ["rose", "Rosa cultivars"]
    assert keywords(fields.to_dict("a.jpg", answer("between"))) == []


def test_names_are_read_only_when_they_are_needed() -> None:
    def forbidden() -> None:
        raise AssertionError

    fields = AnswerFields(forbidden)  # type: ignore[arg-type]
    assert fields.shown_name("rose") == "rose"
    with pytest.raises(AssertionError):
        fields.shown_name("rose", with_latin=True)
    assert AnswerFields().shown_name("rose", with_latin=True) == "rose (Rosa cultivars)"


def test_time_and_place_are_null_without_exif(tmp_path: Path) -> None:
    Image.new("RGB", (8, 8)).save(file := io.BytesIO(), "JPEG")
    fields = AnswerFields(taken=True, place=True)
    for photo in (file.getvalue(), None, str(tmp_path / "gone.jpg")):
        values = fields.to_dict("a.jpg", answer(), photo)
        assert (values["taken"], values["latitude"], values["longitude"]) == (None, None, None)


def test_options_of_the_command(photo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    copy = tmp_path / "photo.jpg"
    copy.write_bytes(photo.read_bytes())
    assert main(["--language", "de-AT", "--latin", "--top", "1", "--write-xmp", str(copy)]) == 0
    shown = capsys.readouterr().out
    names = {f"{shipped_names().name(label, 'de')} ({shipped_names().latin(label)})" for label in shipped_names().names}
    assert any(name in shown for name in names)
    assert main(["--language", "tlh", str(copy)]) == 2
    assert "de, fr" in capsys.readouterr().err
    assert main(["--names", str(copy), str(copy)]) == 2
    assert "not in UTF-8" in capsys.readouterr().err
    (tmp_path / "photo.jpg.xmp").write_text("no sidecar")
    status = main(["--write-xmp", str(copy)])
    assert (status, "not changed" in capsys.readouterr().err) in ((1, True), (0, False))  # no name, no keywords
