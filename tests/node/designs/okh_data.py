"""Where the real manifests are that some tests read, if they are on this machine."""

import os
from pathlib import Path

import pytest

_BESIDE = Path(__file__).parents[3] / "../shared/data"


def real_manifests() -> list[Path]:
    """Return the manifests below COMMONFAB_DATA, or skip the test."""
    root = Path(os.environ.get("COMMONFAB_DATA", _BESIDE)) / "okh"
    files = sorted(
        file for file in root.rglob("*") if file.suffix in (".toml", ".yml") and file.is_file()
    )
    if not files:
        pytest.skip("no real manifests: point COMMONFAB_DATA to a folder that holds okh/")
    return files
