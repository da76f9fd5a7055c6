"""Tests against real programs that nobody here wrote. `make peers` puts them in place."""

import os
from pathlib import Path

import pytest

PEERS = Path(os.environ.get("COMMONFAB_PEERS") or Path(__file__).parents[2] / ".peers")


def need_peer(path: str) -> Path:
    """Return where a peer's program is, below `PEERS`.

    Without it a person's test is skipped; CI has run `make peers`, so there it fails.
    """
    program = PEERS / path
    if program.exists():
        return program
    reason = f"{program} is not there; run make peers"
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)
