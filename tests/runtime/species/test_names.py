"""The names of the species: those that are shipped, and files of the user's own."""

import csv
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest

from finetune.data.oxford import CLASSES
from runtime.errors import FlowerError
from runtime.species.names import MAX_BYTES, SHIPPED_NAMES, read_species_names, shipped_names

LANGUAGES = ("en", "de", "fr", "es", "it", "nl", "pt", "ja", "zh")


def write(folder: Path, text: str, encoding: str = "utf-8") -> Path:
    path = folder / "names.csv"
    path.write_bytes(text.encode(encoding))
    return path


def shipped_rows() -> list[dict[str, str]]:
    with SHIPPED_NAMES.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_shipped_names_have_a_row_for_each_class_in_their_order() -> None:
    rows = shipped_rows()
    assert tuple(row["label"] for row in rows) == CLASSES
    assert all(row["latin"] and row["en"] for row in rows)
    assert shipped_names().languages == LANGUAGES
    assert b"\r" not in SHIPPED_NAMES.read_bytes()
    assert read_species_names(SHIPPED_NAMES, CLASSES) == shipped_names()


@pytest.mark.parametrize("language", LANGUAGES)
def test_most_shipped_classes_have_a_name(language: str) -> None:
    assert sum(bool(row[language]) for row in shipped_rows()) >= 85


@pytest.mark.parametrize("language", LANGUAGES)
def test_shipped_name_means_one_species(language: str) -> None:
    species = defaultdict(set)
    for label in CLASSES:
        species[shipped_names().name(label, language)].add(shipped_names().latin(label))
    assert {name: latin for name, latin in species.items() if len(latin) > 1} == {}


@pytest.mark.parametrize(
    ("language", "first", "last"), [("ja", "\u3040", "\u9fff"), ("zh", "\u4e00", "\u9fff"), ("de", " ", "\u024f")]
)
def test_shipped_names_are_in_the_script_of_the_language(language: str, first: str, last: str) -> None:
    for row in shipped_rows():
        if "'" not in row[language]:  # names of cultivars are never translated
            assert all(first <= character <= last for character in row[language]), row


def test_german_names_begin_with_a_capital_letter() -> None:
    assert [row["de"] for row in shipped_rows() if row["de"][:1].islower()] == []


def test_name_falls_back_to_latin_and_then_to_the_label(tmp_path: Path) -> None:
    names = read_species_names(write(tmp_path, "label,latin,de\nrose,Rosa,Rose\nfern,Pteridium species,\nmoss,,\n"))
    assert [names.name(label, "de") for label in ("rose", "fern", "moss", "ivy")] == [
        "Rose",
        "Pteridium",
        "moss",
        "ivy",
    ]
    assert [names.latin(label) for label in ("ROSE", "moss", "ivy")] == ["Rosa", None, None]


def test_language_is_found_without_its_region(tmp_path: Path) -> None:
    names = read_species_names(write(tmp_path, "label,de,pt-BR,zh\nrose,Rose,Rosa,月季\n"))
    wanted = ("de", "de-AT", "DE", "pt-br", "zh-Hans-CN")
    assert [names.find_language(code) for code in wanted] == ["de", "de", "de", "pt-BR", "zh"]
    with pytest.raises(FlowerError, match=r"'fr'.*: de, pt-BR, zh$"):
        names.name("rose", "fr")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
@pytest.mark.parametrize("separator", [",", ";"])
def test_files_of_spreadsheets_are_read(separator: str, line_end: str, encoding: str, tmp_path: Path) -> None:
    lines = (
        ("Label", "Latin", "de", "en", ""),
        ("tulip", "Tulipa", " Tulpe ", f'"tulip{separator} ""wild"""', ""),
        ("",) * 5,
        ("fern", "", "Adlerfarn"),
    )
    text = line_end.join(separator.join(cells) for cells in lines)
    names = read_species_names(write(tmp_path, text, encoding), ["fern", "Tulip", "moss"])
    assert names.languages == ("de", "en")
    assert [names.name("tulip", code) for code in ("de", "en")] == ["Tulpe", f'tulip{separator} "wild"']
    assert [names.name("fern", code) for code in ("de", "en")] == ["Adlerfarn", "fern"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "line 1: no column 'label'"),
        ("name,de\nrose,Rose\n", "line 1: no column 'label'"),
        ("label\nrose\n", "line 1: no names"),
        ("label,German\nrose,Rose\n", "line 1: the column 'German' is neither"),
        ("label,de,DE\nrose,Rose,Rose\n", "line 1: the same column twice"),
        ("label,de" + ",fr" * 99 + "\n", "line 1: more than 100 columns"),
        ("label,de\n", "line 1: no names below"),
        ("label,de\n,Rose\n", "line 2: no label"),
        ("label,de\nrose,Rose\nRose,Rose\n", "line 3: the label 'Rose' for the second time"),
        ("label,de\nrose,Rose\nivy,Efeu\n", "line 3: the model has no class 'ivy'"),
        ("label,de\nrose,Rose,Rosa\n", "line 2: more cells"),
        ("label,,de\nrose,Rosa,Rose\n", "line 2: more cells"),
        ('label,de\nrose,"Ro"se\n', "line 2: no valid CSV"),
        ('label,de\nrose,"Rose\n', "line 2: no valid CSV"),
        ('label,de\nrose,"Ro\nse"\n', "line 3: a line break"),
        ("label,de\nrose,\x1b[31mRose\n", "line 2: a line break or an invisible control character"),
        ("label,de\nrose,\u202eesoR\n", "line 2: a line break or an invisible control character"),
        ("label,de\nrose," + "e" * 201 + "\n", "line 2: more than 200 characters"),
        ("label,de\nrose," + "e" * 200_000 + "\n", "line 2: no valid CSV"),
    ],
)
def test_wrong_line_is_an_error_with_its_number(text: str, message: str, tmp_path: Path) -> None:
    path = write(tmp_path, text)
    with pytest.raises(FlowerError) as error:
        read_species_names(path, ["rose", "fern"])
    assert str(error.value).startswith(f"{path}: {message}")


def test_files_that_are_no_text_are_errors(tmp_path: Path) -> None:
    with pytest.raises(FlowerError, match="save it as CSV UTF-8"):
        read_species_names(write(tmp_path, "label;de\nrose;Bartnelke für Gärten\n", "cp1252"))
    with pytest.raises(FlowerError, match="larger than 4 MB"):
        read_species_names(write(tmp_path, "label,de\n" + "\n" * MAX_BYTES))
    with pytest.raises(FlowerError, match="cannot be read"):
        read_species_names(tmp_path / "missing.csv")


def test_names_are_read_without_the_libraries_of_the_network() -> None:
    command = (
        "import sys; from runtime.species.names import shipped_names; print(shipped_names().name('rose', 'it')); "
        "sys.exit(bool({'numpy', 'PIL', 'onnxruntime'} & set(sys.modules)))"
    )
    root = Path(__file__).parents[3]
    result = subprocess.run([sys.executable, "-c", command], cwd=root, capture_output=True, text=True)
    assert (result.returncode, result.stdout, result.stderr) == (0, "Rosa\n", "")
