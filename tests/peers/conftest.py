"""The real programs, one fixture each."""

from collections.abc import Iterator

import pytest

from tests.peers.kubo import Kubo, running_kubo
from tests.peers.kubo_daemon import KuboDaemon, running_daemon


@pytest.fixture(scope="module")
def kubo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kubo]:
    with running_kubo(tmp_path_factory.mktemp("kubo") / "repository") as running:
        yield running


@pytest.fixture
def kubo_daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KuboDaemon]:
    """A Kubo for one test, empty, running, knowing nobody."""
    with running_daemon(tmp_path_factory.mktemp("kubo") / "repo") as running:
        yield running


@pytest.fixture(scope="module")
def shared_kubo_daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KuboDaemon]:
    """A Kubo for all tests of one file, where one does not disturb the next."""
    with running_daemon(tmp_path_factory.mktemp("kubo") / "repo") as running:
        yield running
