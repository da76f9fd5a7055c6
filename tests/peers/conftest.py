"""The real programs, one fixture each."""

from collections.abc import Iterator

import pytest

from tests.peers.kubo import Kubo, running_kubo


@pytest.fixture(scope="module")
def kubo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kubo]:
    with running_kubo(tmp_path_factory.mktemp("kubo") / "repository") as running:
        yield running
