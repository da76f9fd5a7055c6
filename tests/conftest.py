"""What holds for all tests: in CI, a test that is skipped has failed.

For there, everything has been put in place (`.ci/run`). Excepted is what no setting up
can bring, which a reason to skip says with its first words.
"""

import os
from collections.abc import Generator
from typing import TypeVar

import pytest
from hypothesis import settings

settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

NOT_TO_BE_HAD = ("this machine ", "no real manifests", "no real fab labs")
"""How reasons begin that CI can do nothing about: a kernel that forbids, data of others."""


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    return _judged((yield))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    return _judged((yield))


R = TypeVar("R", pytest.TestReport, pytest.CollectReport)


def _judged(report: R) -> R:
    if os.environ.get("CI") == "true" and report.skipped and not hasattr(report, "wasxfail"):
        reason = str(report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr)
        if not reason.removeprefix("Skipped: ").startswith(NOT_TO_BE_HAD):
            report.outcome = "failed"
            report.longrepr = f"skipped, and CI could have run it: {reason}"
    return report
