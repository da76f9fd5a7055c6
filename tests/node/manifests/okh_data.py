"""The real manifests that some tests read, if they are on this machine."""

from pathlib import Path

import pytest

from tests.real_data import real_data


def real_manifests() -> list[Path]:
    """Return the manifests below COMMONFAB_DATA, or skip the test."""
    root = real_data("okh")
    files = sorted(
        file for file in root.rglob("*") if file.suffix in (".toml", ".yml") and file.is_file()
    )
    if not files:
        pytest.skip("no real manifests: point COMMONFAB_DATA to a folder that holds okh/")
    return files
