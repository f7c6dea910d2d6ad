"""File names that are not UTF-8 are valid text in JSON and CSV, and lead back to the file."""

import csv
import io
import json
import os
from pathlib import Path

import pytest
from PIL import Image

from runtime.answers.answer import photo_name
from runtime.command_line.flower_infer import main
from tests.samples.tiny_model import save_tiny_model

NAME = b"Rose \xff\xe4, red.png"


def test_only_a_name_that_is_not_utf8_has_its_bytes() -> None:
    assert photo_name("Käthe.jpg") == {"photo": "Käthe.jpg"}
    assert photo_name("\ufffd.jpg") == {"photo": "\ufffd.jpg"}
    assert photo_name(os.fsdecode(NAME)) == {"photo": "Rose ��, red.png", "photo_bytes": NAME.hex()}


def test_json_and_csv_have_a_valid_name_and_its_bytes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    photo = tmp_path / os.fsdecode(NAME)
    try:
        Image.new("RGB", (30, 20), (250, 20, 10)).save(photo)
    except OSError:
        pytest.skip("this file system takes names in UTF-8 only")
    model = str(save_tiny_model(tmp_path / "tiny.onnx"))
    assert main(["--model", model, "--json", str(photo)]) == 0
    entry = json.loads(capsys.readouterr().out)
    assert main(["--model", model, "--csv", "--top", "1", str(photo)]) == 0
    row = next(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    for values in (entry, row):
        assert values["photo"].encode("utf-8").endswith("Rose ��, red.png".encode())  # valid text
        assert os.fsdecode(bytes.fromhex(values["photo_bytes"])) == str(photo)
