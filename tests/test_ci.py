"""CI is not fooled: what is skipped there has failed, unless nobody could have run it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

TESTS = """
import pytest

def test_lazy():
    pytest.skip("the peer is not there")

def test_impossible():
    pytest.skip("this machine allows no mount")

@pytest.mark.xfail
def test_known_bug():
    raise AssertionError
"""
LAZY_FILE = "import pytest\npytest.skip('the library is not there', allow_module_level=True)\n"


def _closing_line(folder: Path, ci: str) -> str:
    shutil.copy(Path(__file__).with_name("conftest.py"), folder)
    (folder / "pytest.ini").write_text("[pytest]\n")
    (folder / "test_some.py").write_text(TESTS)
    (folder / "test_lazy.py").write_text(LAZY_FILE)
    ended = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "--continue-on-collection-errors",
            "-p",
            "no:cacheprovider",
        ],
        cwd=folder,
        env={**os.environ, "CI": ci, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    return ended.stdout.splitlines()[-1].partition(" in ")[0]


def test_in_ci_what_was_skipped_has_failed_but_for_what_is_impossible(tmp_path: Path) -> None:
    said = _closing_line(tmp_path, "true")

    assert said == "1 failed, 1 skipped, 1 xfailed, 1 error"


def test_elsewhere_a_person_may_skip(tmp_path: Path) -> None:
    assert _closing_line(tmp_path, "") == "3 skipped, 1 xfailed"
