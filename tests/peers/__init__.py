"""Tests against real programs that nobody here wrote. `make peers` puts them in place."""

import os
import shutil
from pathlib import Path
from typing import NoReturn

import pytest

PEERS = Path(os.environ.get("COMMONFAB_PEERS") or Path(__file__).parents[2] / ".peers")


def need_peer(path: str) -> Path:
    """Return where a peer's program is, below `PEERS`.

    Without it a person's test is skipped; CI has run `make peers`, so there it fails.
    """
    program = PEERS / path
    if program.exists():
        return program
    return _absent(f"{program} is not there; run make peers")


def need_program(name: str) -> Path:
    """Return where a program of the system's is, such as a slicer. Absent, as above."""
    found = shutil.which(name, path="/usr/local/bin:/usr/bin:/bin")
    return Path(found) if found else _absent(f"{name} is not installed; run make peers")


def _absent(reason: str) -> NoReturn:
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)
