"""Patterns match what `glob` matches."""

import glob
from pathlib import Path

import pytest

from runtime.photos.finding.patterns import matching_paths, path_below


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in (
        "a.jpg", "b.JPG", "x/a.jpg", "x/y/a.jpg", "x/y/b.png", "x y/c.jpg", "x.jpg/d.jpg", ".h/e.jpg", "x/.h.jpg",
        "[1].jpg", "@eaDir/f.jpg", "x/@eaDir/f.jpg",
    ):  # fmt: skip
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "link").symlink_to(tmp_path / "x")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    "pattern",
    ["*", "*.jpg", "**", "**/*", "**/*.jpg", "*/*.jpg", "x/**", "x/**/*.jpg", "x/*/", "*/a.jpg", "**/a.jpg", "**/y/**",
     "**/**/a.*", "x/.*", ".*/*", "./*.jpg", "x/../*.jpg", "[[]1].jpg", "nowhere/*", "a.jpg/*", "x**/*", "@eaDir/*"],
)  # fmt: skip
@pytest.mark.parametrize("absolute", [False, True])
def test_patterns_match_what_glob_matches(folder: Path, pattern: str, absolute: bool) -> None:
    pattern = f"{folder}/{pattern}" if absolute else pattern
    expected = glob.glob(pattern, recursive=True)  # noqa: PTH207 (compared with it)
    if not pattern.startswith("@eaDir") and not pattern.endswith("@eaDir/*"):
        expected = [path for path in expected if "@eaDir" not in path]
    files = sorted(path for path in expected if not Path(path).is_dir())
    paths = list(matching_paths(pattern))
    assert [path for path in paths if not Path(path).is_dir()] == files
    if not pattern.endswith("**"):
        assert paths == sorted(expected)
    assert files or pattern.endswith(("nowhere/*", "a.jpg/*", "x/*/"))


def test_the_part_of_a_path_below_the_beginning_of_a_pattern() -> None:
    assert path_below("photos/20*/*.jpg", "photos/2019/a.jpg") == str(Path("2019/a.jpg"))
    assert path_below("./photos/**/*.jpg", "./photos/a.jpg") == "a.jpg"
    assert path_below("**/*.jpg", "x/a.jpg") == str(Path("x/a.jpg"))
    assert path_below("/*/a.jpg", "/x/a.jpg") == str(Path("x/a.jpg"))
