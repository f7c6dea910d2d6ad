"""Makes one form of a network for one engine, in a process of its own.

Usage: python -m benchmarks.workers.engine_form ENGINE FORM CHECKPOINT DATA PHOTOGRAPHS FOLDER RECORD

RECORD is JSON: what the form is made from. It is written beside the files.
"""

import json
import sys
from functools import partial
from pathlib import Path

from benchmarks.engines.form_folder import make_form
from benchmarks.engines.registry import FORM_ENGINES
from benchmarks.engines.source import Source
from benchmarks.workers import one_line_errors

if __name__ == "__main__":
    engine, form, checkpoint, data, photographs, folder, record = sys.argv[1:]
    with one_line_errors():
        make = FORM_ENGINES[engine].form(form).make
        if make is None:
            raise ValueError(f"{engine} makes no form {form}")
        source = Source(Path(checkpoint), Path(data), int(photographs))
        make_form(Path(folder), json.loads(record), partial(make, source))
