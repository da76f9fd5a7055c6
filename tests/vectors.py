"""Writes the test vectors of the specs, and reads them back.

    python -m tests.vectors            write specs/vectors/*.json anew
    python -m tests.vectors --check    fail if a file is not what the code says today

The cases of `specs/vectors/NAME.json` come from a module `vectors_NAME.py` beside the tests
of its package (`tests/protocol/vectors_envelope.py`). It has a line of text `ABOUT` and a
function `cases()` that returns a list of JSON objects, the same ones every time. The tests
read the file with `load("NAME")`. Bytes are hexadecimal text. A changed vector is a changed
protocol: look at the difference before you commit it.
"""

import importlib
import json
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / "specs" / "vectors"
_PREFIX = "vectors_"

Case = dict[str, Any]


def names() -> list[str]:
    """Return the names of all vector files that some module writes."""
    return sorted(_writers())


def render(name: str) -> str:
    """Return what `specs/vectors/NAME.json` must contain."""
    writer = importlib.import_module(_writers()[name])
    content = {"about": writer.ABOUT, "cases": writer.cases()}
    return json.dumps(content, indent=1, ensure_ascii=True) + "\n"


def load(name: str) -> list[Case]:
    """Return the cases of a committed vector file."""
    content = json.loads((FOLDER / f"{name}.json").read_text())
    cases: list[Case] = content["cases"]
    return cases


def is_current(name: str) -> bool:
    path = FOLDER / f"{name}.json"
    return path.is_file() and path.read_text() == render(name)


def _writers() -> dict[str, str]:
    return {
        path.stem.removeprefix(_PREFIX): f"tests.{path.parent.name}.{path.stem}"
        for path in (ROOT / "tests").glob(f"*/{_PREFIX}*.py")
    }


def main(arguments: list[str]) -> int:
    if arguments not in ([], ["--check"]):
        print(__doc__, file=sys.stderr)
        return 2
    stale = [name for name in names() if not is_current(name)]
    for name in stale:
        if not arguments:
            (FOLDER / f"{name}.json").write_text(render(name))
        print(f"specs/vectors/{name}.json", "is stale" if arguments else "written")
    return 1 if stale and arguments else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
