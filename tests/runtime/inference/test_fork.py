"""A process that is forked after the model was opened: servers that load before they fork, and multiprocessing."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.samples.tiny_model import save_tiny_model

ROOT = Path(__file__).parents[3]
SCRIPT = """
import os, sys, time
from PIL import Image
from runtime import FlowerClassifier, FlowerError

def refused(words, function, *arguments):
    try:
        function(*arguments)
    except FlowerError as error:
        assert words in str(error)
    else:
        raise SystemExit("not refused")

classifier = FlowerClassifier(sys.argv[1] or None, threads=2)
photo = Image.new("RGB", (300, 200), (250, 20, 10))
expected = classifier.predict(photo)
{before}
for _ in range({children}):
    child = os.fork()
    if not child:
        {in_child}
        sys.exit(0)
    for _ in range(600):
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            assert status == 0
            break
        time.sleep(0.1)
    else:
        os.kill(child, 9)
        raise SystemExit("the child hangs")
    assert classifier.predict(photo) == expected
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.parametrize(
    "in_child",
    [
        "pass",  # onnxruntime's destructor waits for threads that only the parent has
        "assert classifier.predict(photo) == expected",
        "assert [answer for _, answer in classifier.predict_many([photo] * 9)] == [expected] * 9",
    ],
    ids=["exit", "predict", "predict_many"],
)
def test_child_of_a_process_that_opened_the_model(in_child: str) -> None:
    """Whether a child would hang depends on what onnxruntime's threads do at the fork, so several are made."""
    run("", "", in_child, children=5)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.parametrize(
    ("before", "in_child"),
    [
        ("begun = classifier.predict_many([photo] * 200); next(begun)", "refused('begin again', list, begun)"),
        ("os.remove(sys.argv[1])", "refused('no such model file', classifier.predict, photo)"),
    ],
    ids=["begun", "model removed"],
)
def test_what_a_child_cannot_go_on_with_is_refused(before: str, in_child: str, tmp_path: Path) -> None:
    run(str(save_tiny_model(tmp_path / "tiny.onnx")), before, in_child, children=1)


def run(model: str, before: str, in_child: str, children: int) -> None:
    """Run code in a process, and other code in children of it. An empty ``model`` is the model inside."""
    code = SCRIPT.format(before=before, in_child=in_child, children=children)
    command = [sys.executable, "-c", code, model]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
