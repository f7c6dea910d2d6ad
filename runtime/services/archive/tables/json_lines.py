"""JSON lines: each row is a JSON object on one line, in ASCII, with the columns of a table in their order."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from runtime.services.archive.tables.row_text import Lines


class JsonLines:
    """Rows as JSON lines. A value that there is not is null. Numbers are exact. See `RowText`."""

    header = b""

    def encode(self, values: Mapping[str, Any]) -> bytes:
        """Return the text of a row."""
        return json.dumps(values).encode() + b"\n"

    def decode(self, lines: Lines) -> Iterator[Any]:
        """Yield JSON values for each row."""
        for line in lines:
            yield json.loads(line)
