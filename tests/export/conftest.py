"""Fixtures that the tests of the bundles share."""

import shutil
import subprocess

import pytest

MINIMUM_VERSION = (20, 19)
"""Of Node.js: earlier versions do not recognise modules without package.json (`export/web/page` has none)."""


@pytest.fixture(scope="session")
def node() -> str:
    """The path of Node.js."""
    program = shutil.which("node")
    if program is None:
        pytest.skip("Node.js is not installed")
    version = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout.strip()
    if tuple(map(int, version.removeprefix("v").split(".")[:2])) < MINIMUM_VERSION:
        pytest.skip(f"Node.js {version} is older than {'.'.join(map(str, MINIMUM_VERSION))}")
    return program
