"""What must be forgotten, and when."""

import os
import stat
from pathlib import Path

import pytest

from commonfab.node.measured.secrets import Secrets, job_name
from commonfab.protocol.errors import UsageError
from commonfab.protocol.ids import OrderId
from tests.protocol.signers import ALICE

ORDER, OTHER = OrderId(b"o" * 16), OrderId(b"p" * 16)
JOB, OTHER_JOB = job_name(ALICE.node, ORDER, 0, 1), job_name(ALICE.node, ORDER, 0, 2)
CHOSEN = {"pd": "64"}


@pytest.fixture
def secrets(tmp_path: Path) -> Secrets:
    return Secrets(tmp_path / "measured")


def sealed_for(secrets: Secrets, job: str) -> bytes:
    key = secrets.key_for(job)
    assert key is not None
    sealed = secrets.seal(ORDER, key)
    assert sealed is not None
    return sealed


@pytest.mark.rule("MEASURES-2")
def test_an_attempt_has_one_key_and_no_other_attempt_has_the_same(secrets: Secrets) -> None:
    assert secrets.key_for(JOB) == secrets.key_for(JOB)
    assert secrets.key_for(JOB) != secrets.key_for(OTHER_JOB)


def test_what_was_chosen_reaches_its_workshop_and_outlives_a_restart(
    secrets: Secrets, tmp_path: Path
) -> None:
    secrets.keep_chosen(ORDER, CHOSEN)
    sealed = sealed_for(secrets, JOB)

    again = Secrets(tmp_path / "measured")

    assert again.chosen(ORDER) == CHOSEN
    assert again.open(JOB, sealed) == CHOSEN


@pytest.mark.rule("MEASURES-5")
def test_what_nobody_needs_any_more_is_forgotten_and_the_rest_is_not(secrets: Secrets) -> None:
    secrets.keep_chosen(ORDER, CHOSEN)
    secrets.keep_chosen(OTHER, CHOSEN)
    sealed, other = sealed_for(secrets, JOB), sealed_for(secrets, OTHER_JOB)

    gone = secrets.forget({ORDER: False, OTHER: True}, [OTHER_JOB])

    assert gone == 2
    assert secrets.chosen(ORDER) == {}
    assert secrets.chosen(OTHER) == CHOSEN
    assert secrets.open(OTHER_JOB, other) == CHOSEN
    with pytest.raises(UsageError, match="are forgotten here"):
        secrets.open(JOB, sealed)


@pytest.mark.rule("MEASURES-5")
def test_a_new_key_for_the_same_attempt_does_not_open_what_was_sealed_to_the_old_one(
    secrets: Secrets,
) -> None:
    secrets.keep_chosen(ORDER, CHOSEN)
    sealed = sealed_for(secrets, JOB)
    secrets.forget({ORDER: True}, [])
    secrets.key_for(JOB)

    with pytest.raises(UsageError, match="do not open"):
        secrets.open(JOB, sealed)


def test_an_order_that_is_only_being_placed_is_not_forgotten(secrets: Secrets) -> None:
    secrets.keep_chosen(ORDER, CHOSEN)

    secrets.forget({}, [])
    assert secrets.chosen(ORDER) == CHOSEN

    secrets.forget({ORDER: True}, [])
    secrets.forget({}, [])
    assert secrets.chosen(ORDER) == {}


def test_what_was_left_by_an_order_that_never_came_goes_at_the_next_start(
    secrets: Secrets, tmp_path: Path
) -> None:
    secrets.keep_chosen(ORDER, CHOSEN)

    Secrets(tmp_path / "measured").forget({}, [])

    assert list((tmp_path / "measured" / "chosen").iterdir()) == []


def test_only_the_nodes_own_person_can_read_the_files(secrets: Secrets, tmp_path: Path) -> None:
    secrets.keep_chosen(ORDER, CHOSEN)
    secrets.key_for(JOB)

    for place, folders, files in os.walk(tmp_path / "measured"):
        for name in folders + files:
            assert not stat.S_IMODE((Path(place) / name).stat().st_mode) & 0o077


def test_nothing_is_sealed_to_a_key_that_is_none_nor_without_anything_chosen(
    secrets: Secrets,
) -> None:
    assert secrets.seal(ORDER, bytes(32)) is None
    key = secrets.key_for(JOB)
    assert key is not None
    assert secrets.seal(ORDER, key) is None
