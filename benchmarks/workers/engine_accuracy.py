"""Runs photographs through one engine, one at a time, and prints, as JSON, the class that each is taken for.

Usage: python -m benchmarks.workers.engine_accuracy ENGINE FORM PATH THREADS DATA SPLIT PHOTOGRAPHS PREPROCESSING
"""

import json
import sys
from pathlib import Path

from benchmarks.engines.registry import ENGINES
from benchmarks.workers import one_line_errors, own_standard_output
from finetune.data.dataset import read_split
from finetune.data.photo_batches import photo_batches
from runtime.photos.preprocessing import Preprocessing

if __name__ == "__main__":
    engine, form, path, threads, data, split, photographs, recorded = sys.argv[1:]
    with own_standard_output() as output, one_line_errors():
        answer = ENGINES[engine].form(form).open(Path(path), int(threads))
        paths = read_split(Path(data), split).head(int(photographs)).paths
        preprocessing = Preprocessing.from_dict(json.loads(recorded))
        answers = [int(answer(images).argmax()) for images in photo_batches(paths, preprocessing, 1)]
        print(json.dumps(answers), file=output)
