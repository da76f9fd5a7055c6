"""Where the real manifests and fab labs are that some tests read, if they are on this machine."""

import os
from pathlib import Path

_BESIDE = Path(__file__).parents[1] / "../shared/data"


def real_data(kind: str) -> Path:
    """Return the folder of one kind below COMMONFAB_DATA, whether or not it is there."""
    return Path(os.environ.get("COMMONFAB_DATA", _BESIDE)) / kind
