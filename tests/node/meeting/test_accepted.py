"""Invitations that wait for their hosts: one line each, whole after a power cut, bounded."""

import stat
from pathlib import Path

import pytest

from commonfab.node.meeting import accepted
from commonfab.protocol.errors import UsageError
from commonfab.protocol.ids import NodeId, Timestamp
from commonfab.protocol.meeting.invitation import Invitation


def a_text(number: int) -> str:
    secret = number.to_bytes(16, "big")
    return Invitation(
        host=NodeId(b"H" * 32), addresses=(), secret=secret, until=Timestamp(1)
    ).text()


def test_what_is_added_is_there_once_until_it_is_removed(tmp_path: Path) -> None:
    path = tmp_path / "accepted"
    assert accepted.load(path) == {}

    for text in (a_text(1), a_text(2), a_text(1).upper()):
        accepted.add(path, text)
    assert list(accepted.load(path)) == [a_text(1), a_text(2)]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600

    accepted.remove(path, a_text(1))
    accepted.remove(path, a_text(3))
    assert list(accepted.load(path)) == [a_text(2)]


def test_a_line_that_is_no_invitation_is_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "accepted"
    path.write_text(f"hello\n{a_text(1)}\n\xff\n")

    assert list(accepted.load(path)) == [a_text(1)]


def test_there_are_not_more_than_a_person_would_accept(tmp_path: Path) -> None:
    path = tmp_path / "accepted"
    for number in range(accepted.ACCEPTED_MAX):
        accepted.add(path, a_text(number))

    with pytest.raises(UsageError, match="wait for their hosts already"):
        accepted.add(path, a_text(99))
    accepted.add(path, a_text(0))
