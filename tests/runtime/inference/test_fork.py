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

classifier = FlowerClassifier(sys.argv[1], threads=2)
photo = Image.new("RGB", (30, 20), (250, 20, 10))
begun = classifier.predict_many([photo] * 200)
expected = [classifier.predict(photo), next(begun)[1]]

def refused(words, function, *arguments):
    try:
        function(*arguments)
    except FlowerError as error:
        assert words in str(error)
    else:
        raise SystemExit("not refused")

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
assert classifier.predict(photo) == expected[0]
assert len(list(begun)) == 199
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.parametrize(
    "in_child",
    [
        "pass",  # onnxruntime's destructor waits for threads that only the parent has
        "assert classifier.predict(photo) == expected[0]",
        "assert [answer for _, answer in classifier.predict_many([photo] * 20)] == expected[:1] * 20",
        "refused('begin again', list, begun)",
        "os.remove(sys.argv[1]); refused('no such model file', classifier.predict, photo)",
    ],
    ids=["exit", "run", "many", "begun", "model removed"],
)
def test_child_of_a_process_that_opened_the_model(in_child: str, tmp_path: Path) -> None:
    model = save_tiny_model(tmp_path / "tiny.onnx")
    command = [sys.executable, "-c", SCRIPT.format(in_child=in_child), str(model)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
