"""The list of files for the page's service worker."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from runtime.services.page_headers import ISOLATION, SECURITY

SERVICE_WORKER = "service-worker.js"
SERVICE_WORKER_LIST = "bundle.js"


def service_worker_list(small: Mapping[str, bytes], entries: Mapping[str, Any]) -> bytes:
    """Return the content of `SERVICE_WORKER_LIST`, a script that assigns the list to ``self.BUNDLE``.

    The content changes whenever a file of the bundle changes. The service worker imports it, so a browser notices a new
    bundle by comparing this file (W3C, "Service Workers", update algorithm).

    Args:
        small: the files that the service worker stores, file name → content.
        entries: the descriptions of the large files, as in ``model.json``.
    """
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in sorted(small.items())}
    listed = {
        "version": hashlib.sha256(json.dumps([digests, entries]).encode()).hexdigest(),
        "small": {name: digest for name, digest in digests.items() if name != SERVICE_WORKER},
        "large": list(entries.values()),
        "headers": {**SECURITY, **ISOLATION},
    }
    return b"self.BUNDLE = " + json.dumps(listed, indent=1, ensure_ascii=False).encode() + b";\n"
