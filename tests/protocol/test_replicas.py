"""Promises to keep a copy: who promised, whom to ask, what follows, what it comes to."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from commonfab.protocol.admission import Accept, Admission, broken_rule
from commonfab.protocol.errors import Malformed
from commonfab.protocol.ids import NodeId, Timestamp
from commonfab.protocol.limits import (
    BLOCK_BYTES_MAX,
    CID_BYTES_MAX,
    DAY_MS,
    HOUR_MS,
    REPLICA_TERM_MS_MAX,
)
from commonfab.protocol.records import Record, sign
from commonfab.protocol.replicas import (
    CHECK_MS,
    CHECKS_A_ROUND,
    FAILURES_MAX,
    OFF_GRID_MS,
    RETRY_MS,
    Challenge,
    Checks,
    Outcome,
    Promise,
    Promises,
    Standing,
    Tally,
    condition,
    decode_answer,
    encode_answer,
    renewed_until,
    stream_of,
    tally,
)
from commonfab.protocol.statements import Replica

from .signers import ALICE, BOB, Person

ROOT, OTHER = b"\x01root", b"\x01other"
NOON = 43_200_000
EVE = NodeId(b"e" * 32)


def said(
    signer: Person, *, seq: int, until: int, root: bytes = ROOT, withdrawn: bool = False
) -> Record:
    body = Replica(
        stream=stream_of(root),
        seq=seq,
        at=NOON,
        until=until,
        root=root,
        size_bytes=5,
        withdrawn=withdrawn,
    )
    return sign(body, signer)


def promise(holder: NodeId = BOB.node, root: bytes = ROOT) -> Promise:
    return Promise(holder, root, NOON, NOON + 99 * DAY_MS, 5)


@pytest.mark.rule("KEEPING-6")
def test_the_newest_promise_of_a_node_counts_in_whatever_order_they_come() -> None:
    records = [
        said(ALICE, seq=1, until=NOON + 10),
        said(ALICE, seq=2, until=NOON + 20),
        said(BOB, seq=1, until=NOON + 30),
        said(BOB, seq=9, until=NOON + 30, withdrawn=True),
    ]
    for order in (records, records[::-1]):
        promises = Promises()
        for record in order:
            promises.take_in(record)
        assert [(p.holder, p.until) for p in promises.of(ROOT, NOON)] == [(ALICE.node, NOON + 20)]
        assert promises.by(ALICE.node, NOON) == promises.of(ROOT, NOON)
        assert promises.of(ROOT, NOON + 20) == promises.of(OTHER, NOON) == []


@pytest.mark.rule("KEEPING-6")
@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"until": 0}, "must end within two years"),
        ({"until": NOON}, "must end within two years"),
        ({"until": NOON + REPLICA_TERM_MS_MAX + 1}, "must end within two years"),
        ({"root": OTHER}, "another stream"),
        ({"root": b"\x12 a v0 CID", "stream": stream_of(b"\x12 a v0 CID")}, "version 1"),
        ({"stream": "replica"}, "another stream"),
    ],
)
def test_a_promise_that_never_ends_or_is_in_another_stream__reject(
    changes: dict[str, int | str | bytes], reason: str
) -> None:
    good = said(ALICE, seq=1, until=NOON + REPLICA_TERM_MS_MAX)
    assert isinstance(Admission().judge(good.data, Timestamp(NOON)), Accept)

    broken = broken_rule(sign(structs.replace(good.body, **changes), ALICE))

    assert broken is not None
    assert reason in broken


@pytest.mark.rule("KEEPING-13")
def test_a_promise_is_renewed_for_as_long_as_before_once_half_of_it_is_over() -> None:
    promise = Promise(ALICE.node, b"root", at=1000, until=3000, size_bytes=1)

    assert renewed_until(promise, 999) is None, "a clock that was put back"
    assert renewed_until(promise, 1999) is None
    assert renewed_until(promise, 2000) == 4000
    assert renewed_until(promise, 2999) == 4999


def test_what_has_ended_is_forgotten() -> None:
    promises = Promises()
    promises.take_in(said(ALICE, seq=1, until=NOON + 10))

    promises.expire(NOON + 10)

    assert promises.by(ALICE.node, 0) == []


_STEPS = st.one_of(
    st.tuples(
        st.just("say"),
        st.sampled_from([ALICE, BOB]),
        st.sampled_from([b"root", b"another"]),
        st.integers(1, 9),
        st.integers(1, 9),
        st.booleans(),
    ),
    st.tuples(st.just("forget"), st.sampled_from([ALICE, BOB])),
    st.tuples(st.just("expire"), st.integers(1, 9)),
)


@given(st.lists(_STEPS, max_size=30))
def test_promises_are_found_by_their_holder_and_by_their_root_alike(
    steps: list[tuple[Any, ...]],
) -> None:
    promises = Promises()
    plain: dict[tuple[NodeId, bytes], Replica] = {}
    for step in steps:
        match step:
            case ("say", Person() as who, root, seq, until, withdrawn):
                record = said(who, seq=seq, until=NOON + until, root=root, withdrawn=withdrawn)
                promises.take_in(record)
                assert isinstance(record.body, Replica)
                known = plain.get((who.node, root))
                if known is None or known.seq < seq:
                    plain[who.node, root] = record.body
            case ("forget", Person() as who):
                promises.forget(who.node)
                plain = {key: body for key, body in plain.items() if key[0] != who.node}
            case ("expire", int(until)):
                promises.expire(NOON + until)
                plain = {key: body for key, body in plain.items() if body.until > NOON + until}
            case _:
                raise AssertionError(step)
        hold = {key: body.until for key, body in plain.items() if not body.withdrawn}
        found = [each for who in (ALICE, BOB) for each in promises.by(who.node, NOON)]
        assert {(each.holder, each.root): each.until for each in found} == hold
        found = [each for root in (b"root", b"another") for each in promises.of(root, NOON)]
        assert {(each.holder, each.root): each.until for each in found} == hold


@given(st.binary(min_size=1, max_size=CID_BYTES_MAX), st.data(), st.binary(max_size=100))
def test_a_challenge_and_its_answer_are_read_as_they_were_written(
    cid: bytes, data: st.DataObject, block: bytes
) -> None:
    start = data.draw(st.integers(0, BLOCK_BYTES_MAX))
    challenge = Challenge(cid, start, data.draw(st.integers(1, BLOCK_BYTES_MAX)))

    assert Challenge.decode(challenge.encode()) == challenge
    answer = challenge.of(block)
    assert block[start:].startswith(answer)
    assert decode_answer(encode_answer(answer)) == answer
    assert decode_answer(encode_answer(None)) is None


@pytest.mark.rule("KEEPING-9")
@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\0" * 8 + b"cid",
        b"\xff" * 8 + b"cid",
        b"\0\0\0\0\0\0\0\1",
        b"\0\0\0\0\0\0\0\1" + bytes(CID_BYTES_MAX + 1),
    ],
)
def test_a_challenge_out_of_its_bounds_is_malformed(data: bytes) -> None:
    with pytest.raises(Malformed):
        Challenge.decode(data)


@pytest.mark.parametrize("message", [b"", b"\x02", b"\x00more"])
def test_an_answer_of_another_form_is_malformed(message: bytes) -> None:
    with pytest.raises(Malformed):
        decode_answer(message)


@pytest.mark.rule("KEEPING-10")
def test_a_kept_promise_is_checked_again_within_a_day_and_no_sooner_than_half() -> None:
    checks = Checks()
    assert checks.due([promise()], {BOB.node}, NOON) == [promise()]

    for chance in (0.0, 0.5, 1.0):
        after = checks.note(promise(), "passed", NOON, chance)
        assert CHECK_MS // 2 <= after.next_at - NOON <= CHECK_MS
        assert after.passed_at == NOON
    assert checks.due([promise()], {BOB.node}, NOON + CHECK_MS - 1) == []
    assert checks.due([promise()], {BOB.node}, NOON + CHECK_MS) == [promise()]


def test_nobody_who_is_not_reachable_is_asked_and_nobody_twice_in_a_round() -> None:
    many = [promise(NodeId(bytes([n]) * 32), root) for n in range(9) for root in (ROOT, OTHER)]
    checks = Checks()

    assert checks.due(many, set(), NOON) == []
    due = checks.due(many, {each.holder for each in many}, NOON)
    assert len(due) == len({each.holder for each in due}) == CHECKS_A_ROUND


@pytest.mark.rule("KEEPING-11")
@pytest.mark.parametrize("outcome", ["wrong", "lacks"])
def test_the_alarm_comes_with_the_third_failure_and_ends_when_all_are_made_good(
    outcome: Outcome,
) -> None:
    checks = Checks()
    outcomes: list[Outcome] = [outcome] * FAILURES_MAX
    good: list[Outcome] = ["passed"] * FAILURES_MAX
    notes = [checks.note(promise(), each, NOON, 1.0) for each in (*outcomes, *good)]
    alarms = [each.is_failed for each in notes]
    assert alarms == [False, False, True, True, True, False]


@pytest.mark.rule("KEEPING-11")
def test_silence_raises_no_alarm_however_long() -> None:
    checks = Checks()

    for _ in range(100):
        checks.note(promise(), "silent", NOON, 1.0)

    after = checks.standing(BOB.node, ROOT)
    assert not after.is_failed
    assert after.failures == 0
    assert after.next_at - NOON <= CHECK_MS


def test_after_failures_one_waits_longer_each_time_and_after_trust_is_lost_an_hour() -> None:
    checks = Checks()

    waits = [checks.note(promise(), "lacks", NOON, 1.0).next_at - NOON for _ in range(12)]

    assert waits[:3] == [RETRY_MS, 2 * RETRY_MS, 4 * RETRY_MS]
    assert waits[-1] == CHECK_MS
    assert checks.note(promise(), "passed", NOON, 1.0).next_at - NOON == HOUR_MS


@given(st.lists(st.sampled_from(["passed", "wrong", "lacks", "silent"])), st.floats(0, 1))
def test_what_is_saved_goes_on_as_if_nothing_had_happened(
    outcomes: list[Outcome], chance: float
) -> None:
    through, again = Checks(), Checks()
    for outcome in outcomes:
        through.note(promise(), outcome, NOON, chance)
        again = Checks(again.standings())
        again.note(promise(), outcome, NOON, chance)

    assert through.standings() == again.standings()
    assert all(
        each.next_at > NOON and 0 <= each.failures <= FAILURES_MAX for each in again.standings()
    )


def test_what_is_not_promised_any_more_is_forgotten() -> None:
    checks = Checks()
    checks.note(promise(), "lacks", NOON, 1.0)
    checks.note(promise(root=OTHER), "lacks", NOON, 1.0)

    checks.keep_only([promise(root=OTHER)])

    assert [each.root for each in checks.standings()] == [OTHER]


@pytest.mark.rule("KEEPING-12")
def test_a_holder_is_off_grid_when_nothing_was_heard_of_it_for_three_days() -> None:
    now = NOON + OFF_GRID_MS + 1
    blank = Standing(holder=BOB.node, root=ROOT)
    proven = Standing(holder=BOB.node, root=ROOT, passed_at=NOON + 1)
    failed = Standing(holder=BOB.node, root=ROOT, failures=3, is_failed=True)

    assert condition(promise(), blank, 0, NOON) == "unchecked", "it has just promised"
    assert condition(promise(), blank, 0, now) == "off grid"
    assert condition(promise(), blank, NOON + 1, now) == "unchecked"
    assert condition(promise(), proven, 0, now) == "kept"
    assert condition(promise(), proven, 0, now + 1) == "off grid"
    assert condition(promise(), failed, now, now) == "failed"


@pytest.mark.rule("KEEPING-12")
def test_copies_are_counted_without_the_failed_and_places_once_each() -> None:
    me = NodeId(b"m" * 32)
    places = {me: (1, 1), ALICE.node: (1, 1), BOB.node: (2, 2), EVE: (3, 3)}

    assert tally({ALICE.node: "kept", BOB.node: "off grid", EVE: "failed"}, places, me) == Tally(
        copies=3, places=2, off_grid=1, is_only_here=False
    )
    assert tally({BOB.node: "off grid", EVE: "failed"}, places, me) == Tally(
        copies=2, places=2, off_grid=1, is_only_here=True
    )
    assert tally({ALICE.node: "unchecked"}, {}, None) == Tally(
        copies=1, places=0, off_grid=0, is_only_here=False
    )
