"""The log: one line an event, quoted so that no value can forge another, and no secrets."""

import json
import logging
from collections.abc import Generator
from io import StringIO

import pytest

from commonfab.node import log
from commonfab.node.home import keys


@pytest.fixture
def stream() -> Generator[StringIO]:
    root, ours = logging.getLogger(), logging.getLogger("commonfab")
    before = root.handlers[:], root.level, ours.level
    yield StringIO()
    root.handlers[:], root.level, ours.level = before


def test_an_event_is_a_line_of_keys_and_values(stream: StringIO) -> None:
    log.set_up(level="info", as_json=False, stream=stream)

    log.info("lease_out", machine="mk3", pieces=2, about="Bob's läb")

    at, rest = stream.getvalue().split(" ", 1)
    assert at.endswith("+00:00")
    assert rest == 'info    lease_out machine=mk3 pieces=2 about="Bob\'s läb"\n'


def test_an_event_may_be_a_line_of_json(stream: StringIO) -> None:
    log.set_up(level="info", as_json=True, stream=stream)

    log.warning("disk_full", free_bytes=12, at="a place", is_first=True)

    said = json.loads(stream.getvalue())
    assert said.pop("at").endswith("+00:00")
    assert said == {
        "level": "warning",
        "what": "disk_full",
        "free_bytes": 12,
        "at_": "a place",
        "is_first": True,
    }


@pytest.mark.parametrize("as_json", [False, True])
def test_a_value_from_a_peer_cannot_begin_a_line_or_speak_to_the_terminal(
    stream: StringIO, as_json: bool
) -> None:
    log.set_up(level="info", as_json=as_json, stream=stream)

    log.info("peer_up", name='x\n2026 info forged="1"\x1b[2J\x9b\u202e' + "y" * 5000)

    line = stream.getvalue()
    assert line.count("\n") == 1
    assert line[:-1].isprintable()
    assert len(line) < 2500


@pytest.mark.parametrize("as_json", [False, True])
def test_a_secret_that_is_logged_by_mistake_is_not_there_to_be_read(
    stream: StringIO, as_json: bool
) -> None:
    log.set_up(level="debug", as_json=as_json, stream=stream)
    seed = b"abcdefghijklmnopqrstuvwxyz012345"

    log.error("mistake", key=keys.NodeKey(seed), seed=seed)

    assert seed.hex()[:16] not in stream.getvalue()
    assert seed.decode() not in stream.getvalue()


def test_only_the_level_that_was_asked_for_and_above_is_heard(stream: StringIO) -> None:
    log.set_up(level="warning", as_json=False, stream=stream)

    log.debug("a")
    log.info("b")
    log.warning("c")

    assert stream.getvalue().endswith("warning c\n")
    assert stream.getvalue().count("\n") == 1


def test_libraries_are_heard_when_they_warn_with_their_fields(stream: StringIO) -> None:
    log.set_up(level="debug", as_json=False, stream=stream)

    logging.getLogger("a_library").info("chatter")
    logging.getLogger("a_library").warning("trouble at %s", "four", extra={"why": "no answer"})

    assert stream.getvalue().endswith('warning "trouble at four" why="no answer"\n')
    assert stream.getvalue().count("\n") == 1


def test_a_failure_comes_with_its_traceback(stream: StringIO) -> None:
    log.set_up(level="info", as_json=False, stream=stream)

    try:
        raise KeyError("lost")
    except KeyError as error:
        log.error("command_failed", command="show", exc_info=error)

    assert "command_failed command=show\nTraceback" in stream.getvalue()
    assert "KeyError: 'lost'" in stream.getvalue()
