"""What is believed of what arrives: each verdict, with its reason."""

from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commonfab.protocol import envelope
from commonfab.protocol.admission import (
    CLOCKS_APART_MS_MAX,
    Accept,
    Admission,
    Conflict,
    Ignore,
    Place,
    Reject,
    Verdict,
)
from commonfab.protocol.encoding import encode
from commonfab.protocol.ids import Timestamp
from commonfab.protocol.limits import (
    CAPACITY_TERM_MS_MAX,
    GRACE_MS_MAX,
    HOLD_MS_MAX,
    LEASE_TERM_MS_MAX,
    PATIENCE_MS_MAX,
    REQUEST_TERM_MS,
    WINDOW_KNOWN_MS,
)
from commonfab.protocol.records import Offer, Record
from tests.builders import (
    NOON,
    a_capacity,
    a_confirmation,
    a_design,
    a_fork_of,
    a_grant,
    a_lease,
    a_machine,
    a_part,
    a_progress,
    a_receipt,
    a_refusal,
    a_release,
    a_request,
    a_revocation,
    a_window,
    a_workshop,
    an_acceptance,
    an_offer,
    an_order,
    body_of,
    later,
)
from tests.protocol.mutations import mutated
from tests.protocol.signers import ALICE, BOB, CAROL, EVE


def one_of_each() -> list[Record]:
    design, request = a_design(), a_request()
    offer = an_offer(request)
    acceptance = an_acceptance(offer)
    lease = a_lease(request, offer, acceptance)
    receipt = a_receipt(lease)
    return [
        design,
        a_workshop(),
        a_capacity(),
        a_revocation(by=CAROL),
        an_order(design),
        request,
        offer,
        a_refusal(request),
        acceptance,
        lease,
        a_grant(lease),
        a_progress(lease),
        a_release(lease),
        receipt,
        a_confirmation(receipt),
    ]


def judge(record: Record, admission: Admission | None = None, now: Timestamp = NOON) -> Verdict:
    return (admission or Admission()).judge(record.data, now)


# Accept.


@pytest.mark.rule("ADMISSION-1")
@pytest.mark.parametrize("record", one_of_each(), ids=lambda record: record.kind)
def test_a_valid_record__accept(record: Record) -> None:
    assert judge(record) == Accept(record)


@pytest.mark.rule("ADMISSION-4")
def test_designs_of_one_author__accept_in_any_order() -> None:
    admission = Admission()
    older, newer = a_design(seq=1), a_design(seq=2)

    assert isinstance(judge(newer, admission), Accept)
    assert isinstance(judge(older, admission), Accept)


@pytest.mark.rule("ADMISSION-10")
def test_a_letter_that_comes_again__accept() -> None:
    admission = Admission()
    request = a_request()
    judge(request, admission)
    admission.note(request)

    assert judge(request, admission) == Accept(request)


# Ignore.


@pytest.mark.rule("ADMISSION-2")
def test_a_public_record__ignore_already_known() -> None:
    admission = Admission()
    design = a_design()
    judge(design, admission)

    assert judge(design, admission) == Ignore("already known")


@pytest.mark.rule("ADMISSION-2")
def test_a_record_of_a_kind_that_is_not_known_here__ignore() -> None:
    sealed = envelope.seal("rumour", encode({"stream": "rumour"}), BOB)

    verdict = Admission().judge(sealed.data, NOON)

    assert verdict == Ignore("records of kind 'rumour' are unknown here")


@pytest.mark.rule("ADMISSION-3")
@pytest.mark.parametrize("ahead_ms", [CLOCKS_APART_MS_MAX, CLOCKS_APART_MS_MAX + 1])
def test_a_record_of_a_clock_that_is_ahead__ignore_beyond_what_honest_clocks_differ(
    ahead_ms: int,
) -> None:
    verdict = judge(a_design(at=NOON + ahead_ms))

    assert isinstance(verdict, Ignore) == (ahead_ms > CLOCKS_APART_MS_MAX)


@pytest.mark.rule("ADMISSION-3")
@pytest.mark.parametrize("late_ms", [-1, 0])
def test_a_public_record__ignore_from_the_moment_that_it_expires(late_ms: int) -> None:
    capacity = a_capacity()

    verdict = judge(capacity, now=later(CAPACITY_TERM_MS_MAX + late_ms))

    assert verdict == (Ignore("expired") if late_ms == 0 else Accept(capacity))


@pytest.mark.rule("BUNDLE-13")
@pytest.mark.parametrize("late_ms", [-1, 0, PATIENCE_MS_MAX - 1, PATIENCE_MS_MAX])
def test_a_capacity_record_is_remembered_from_its_end_on_and_not_for_ever(late_ms: int) -> None:
    admission, capacity = Admission(), a_capacity()

    remembered = admission.judge_late(capacity.data, later(CAPACITY_TERM_MS_MAX + late_ms))

    assert remembered == (capacity if 0 <= late_ms < PATIENCE_MS_MAX else None)
    assert not admission.knows(capacity.id)


@pytest.mark.rule("BUNDLE-13")
def test_what_was_never_to_be_believed_is_not_remembered_either() -> None:
    now = later(CAPACITY_TERM_MS_MAX)
    good = a_capacity(seq=1)
    revoked = Admission()
    revoked.revoke(BOB.node, NOON)
    overtaken = Admission()
    overtaken.judge(a_capacity(seq=2).data, NOON)
    twice = a_capacity(machines=(a_machine(), a_machine()))

    assert revoked.judge_late(good.data, now) is None
    assert overtaken.judge_late(good.data, now) is None
    assert Admission().judge_late(twice.data, now) is None
    assert Admission().judge_late(good.data[:-1] + b"\0", now) is None
    assert Admission().judge_late(a_workshop(until=NOON + 1).data, now) is None


@pytest.mark.rule("ADMISSION-3")
@pytest.mark.parametrize("late_ms", [-1, 0])
def test_a_letter__ignore_when_it_has_expired_by_any_honest_clock(late_ms: int) -> None:
    request = a_request()
    end_ms = REQUEST_TERM_MS + CLOCKS_APART_MS_MAX

    verdict = judge(request, now=later(end_ms + late_ms))

    assert verdict == (Ignore("expired") if late_ms == 0 else Accept(request))


@pytest.mark.rule("ADMISSION-4")
@pytest.mark.parametrize("build", [a_workshop, a_capacity])
def test_a_workshop_or_capacity__ignore_stale(build: Any) -> None:
    admission = Admission()
    judge(build(seq=5), admission)

    verdict = judge(build(seq=4), admission)

    assert verdict == Ignore("stale: a newer one is known")
    assert admission.mark(BOB.node, build().body.stream) == 5


@pytest.mark.rule("ADMISSION-4")
def test_marks_are_each_authors_and_each_streams_own() -> None:
    admission = Admission()
    judge(a_capacity(seq=5), admission)

    assert isinstance(judge(a_capacity(by=CAROL, seq=4), admission), Accept)
    assert isinstance(judge(a_workshop(seq=4), admission), Accept)


@pytest.mark.rule("ADMISSION-9")
def test_a_record_of_a_revoked_key__ignore_from_then_on() -> None:
    admission = Admission()
    judge(a_revocation(since=NOON), admission)

    before, after = a_design(at=NOON - 1, by=BOB), a_request(by=BOB, at=NOON)

    assert isinstance(judge(before, admission), Accept)
    assert judge(after, admission) == Ignore("its author's key is revoked")


@pytest.mark.rule("ADMISSION-9")
def test_a_revocation__accept_after_another_and_the_earliest_time_counts() -> None:
    admission = Admission()
    judge(a_revocation(since=NOON), admission)

    assert isinstance(judge(a_revocation(since=NOON - 100), admission), Accept)
    assert isinstance(judge(a_revocation(since=NOON + 100), admission), Accept)

    assert isinstance(judge(a_design(by=BOB, at=NOON - 100), admission), Ignore)
    assert isinstance(judge(a_design(by=BOB, at=NOON - 101), admission), Accept)


@pytest.mark.rule("ADMISSION-9")
def test_a_revocation_binds_only_its_own_author() -> None:
    admission = Admission()
    judge(a_revocation(by=EVE), admission)

    assert isinstance(judge(a_capacity(by=BOB), admission), Accept)


# Reject.


@pytest.mark.rule("ADMISSION-1")
@pytest.mark.parametrize("record", one_of_each(), ids=lambda record: record.kind)
def test_a_record_that_another_has_signed__reject(record: Record) -> None:
    forged = bytearray(a_design(by=EVE).data)
    forged[5:37] = ALICE.node
    stolen = bytearray(record.data)
    stolen[37:101] = forged[37:101]

    for data in (forged, stolen):
        verdict = Admission().judge(bytes(data), NOON)
        assert isinstance(verdict, Reject)
        assert "was not signed by" in verdict.reason


@pytest.mark.rule("ADMISSION-1")
@given(st.binary(max_size=400))
def test_bytes_that_are_no_record__reject(data: bytes) -> None:
    assert isinstance(Admission().judge(data, NOON), Reject)


@pytest.mark.rule("ADMISSION-1")
@given(st.sampled_from(one_of_each()), st.integers(0, 2**32))
def test_a_changed_frame__reject_or_ignore_and_never_raise(record: Record, seed: int) -> None:
    verdict = Admission().judge(mutated(record.data, Random(seed)), NOON)

    assert isinstance(verdict, Reject | Ignore) or verdict == Accept(record)


@pytest.mark.rule("ADMISSION-1")
@given(st.sampled_from(one_of_each()), st.integers(0, 2**32))
def test_a_changed_body_that_its_author_signed_never_makes_judge_raise(
    record: Record, seed: int
) -> None:
    body = mutated(envelope.parse(record.data).body, Random(seed))

    Admission().judge(envelope.seal(record.kind, body, EVE).data, NOON)


def a_taken_window(**changes: Any) -> Record:
    offer = an_offer(a_request())
    return a_window(offer, an_acceptance(offer), **changes)


ORIGIN = a_design()
WINDOW_ENDS = body_of(an_offer(a_request()), Offer).end
TOLD_UNTIL_MAX = WINDOW_ENDS + WINDOW_KNOWN_MS + PATIENCE_MS_MAX
INSIDE: list[tuple[str, Record]] = [
    ("a design in the stream 'workshop'", a_design(stream="workshop")),
    ("a design in the stream 'designs/x'", a_design(stream="designs/x")),
    ("a capacity in the stream 'capacity/2'", a_capacity(stream="capacity/2")),
    ("a workshop in the stream 'capacity'", a_workshop(stream="capacity")),
    ("a design that expires", a_design(until=NOON + 1)),
    ("a revocation that expires", a_revocation(until=NOON + 1)),
    ("a capacity record must expire", a_capacity(until=0)),
    ("a capacity record must expire", a_capacity(until=NOON + CAPACITY_TERM_MS_MAX + 1)),
    ("two machines", a_capacity(machines=(a_machine(), a_machine(process="laser-cutting")))),
    ("a curve of the day", a_capacity(intensity=(380,) * 23)),
    ("two parts", a_design(parts=(a_part(), a_part(file="other.stl")))),
    (
        "a design that names one origin",
        a_design(derived_from=(a_fork_of(ORIGIN), a_fork_of(ORIGIN))),
    ),
    ("a path that leads out", a_design(manifest="../okh.toml")),
    ("a path that leads out", a_design(picture="/etc/passwd")),
    ("a path that leads out", a_design(parts=(a_part(file="a/../../b.stl"),))),
    ("a path that leads out", a_design(parts=(a_part(file="a\\b.stl"),))),
    ("a request must expire", a_request(until=0)),
    ("a request must expire", a_request(until=NOON + REQUEST_TERM_MS + 1)),
    ("a window that", an_offer(a_request(), window_ms=0)),
    ("a window that", an_offer(a_request(), start=NOON - 1)),
    ("a window that", an_offer(a_request(), window_ms=LEASE_TERM_MS_MAX + 1)),
    ("an offer is held", an_offer(a_request(), held_until=NOON)),
    (
        "an offer is held",
        an_offer(a_request(), held_until=NOON + HOLD_MS_MAX + PATIENCE_MS_MAX + 1),
    ),
    ("a window that is shorter", an_offer(a_request(), length_ms=LEASE_TERM_MS_MAX)),
    ("an order has 3 guardians", a_request(guardians=(BOB.node, EVE.node))),
    ("an order has 3 guardians", a_request(guardians=(BOB.node, BOB.node, EVE.node))),
    ("a window that ends before", a_taken_window(end=NOON)),
    ("a window that ends before", a_taken_window(end=NOON + LEASE_TERM_MS_MAX + 1)),
    ("a window that is shorter", a_taken_window(length_ms=0)),
    ("a window that is shorter", a_taken_window(length_ms=LEASE_TERM_MS_MAX)),
    ("a window that is told of", a_taken_window(until=0)),
    ("a window that is told of", a_taken_window(until=TOLD_UNTIL_MAX + 1)),
    ("a window that is told of", a_taken_window(until=WINDOW_ENDS)),
]


@pytest.mark.rule("ADMISSION-6")
@pytest.mark.rule("ADMISSION-7")
@pytest.mark.rule("ADMISSION-8")
@pytest.mark.rule("ENERGY-1")
@pytest.mark.parametrize(("reason", "record"), INSIDE, ids=lambda value: str(value)[:30])
def test_a_record_against_the_rules_of_its_kind__reject(reason: str, record: Record) -> None:
    verdict = judge(record)

    assert isinstance(verdict, Reject)
    assert verdict.reason.startswith(reason)


@pytest.mark.rule("ADMISSION-8")
@pytest.mark.parametrize(
    "changes",
    [
        {"end": NOON},
        {"start_by": NOON - 1},
        {"end": NOON + LEASE_TERM_MS_MAX + 1},
        {"length_ms": LEASE_TERM_MS_MAX},
        {"start_by": NOON + LEASE_TERM_MS_MAX + 2 * GRACE_MS_MAX},
    ],
)
def test_a_lease_with_an_impossible_window__reject(changes: dict[str, Any]) -> None:
    request = a_request()
    offer = an_offer(request)

    assert isinstance(judge(a_lease(request, offer, an_acceptance(offer), **changes)), Reject)


# Conflict.


@pytest.mark.rule("ADMISSION-5")
@pytest.mark.parametrize("build", [a_design, a_workshop, a_capacity])
def test_a_second_public_record_for_one_place__conflict(build: Any) -> None:
    admission = Admission()
    first, second = build(by=EVE, seq=7, at=NOON), build(by=EVE, seq=7, at=NOON + 1)
    judge(first, admission)

    for _ in range(2):  # It is not known afterwards.
        assert judge(second, admission) == Conflict(EVE.node, first.id, second)


@pytest.mark.rule("ADMISSION-5")
def test_a_second_letter_for_the_place_of_one_that_was_kept__conflict() -> None:
    admission = Admission()
    first, second = a_request(by=EVE, seq=7), a_request(by=EVE, seq=7, job=1)
    judge(first, admission)
    assert isinstance(judge(second, admission), Accept)
    admission.note(first)

    assert judge(second, admission) == Conflict(EVE.node, first.id, second)
    assert isinstance(judge(first, admission), Accept)


@pytest.mark.rule("ADMISSION-5")
def test_a_record_that_was_removed__accept_again_and_no_conflict_with_itself() -> None:
    for record in (a_design(), a_workshop()):
        admission = Admission()
        judge(record, admission)
        admission.drop(record.id)

        assert judge(record, admission) == Accept(record)


# The order of the checks.


@pytest.mark.rule("ADMISSION-2")
def test_the_checks_are_made_in_order_of_cost() -> None:
    seen: list[str] = []
    admission = Admission(verify=lambda sealed: seen.append(sealed.kind))
    unknown = envelope.seal("rumour", b"", BOB)
    design = a_design()
    admission.note(design)

    admission.judge(b"garbage", NOON)
    admission.judge(unknown.data, NOON)
    admission.judge(design.data, NOON)
    assert seen == []
    admission.judge(envelope.seal("design", b"not a body", BOB).data, NOON)

    assert seen == ["design"]


# Failing to store, and starting again.


@pytest.mark.rule("ADMISSION-11")
@pytest.mark.parametrize("build", [a_design, a_workshop, a_capacity])
def test_what_could_not_be_stored_may_come_again(build: Any) -> None:
    admission = Admission()
    record = build()
    judge(record, admission)

    admission.forget(record)

    assert judge(record, admission) == Accept(record)


@pytest.mark.rule("ADMISSION-11")
def test_what_is_older_stays_stale_when_the_newest_could_not_be_stored() -> None:
    admission = Admission()
    oldest, newest = a_capacity(seq=3), a_capacity(seq=9)
    judge(oldest, admission)
    judge(newest, admission)

    admission.forget(newest)

    assert isinstance(judge(a_capacity(seq=5), admission), Ignore)
    assert isinstance(judge(newest, admission), Accept)


@pytest.mark.rule("ADMISSION-11")
def test_forgetting_a_record_leaves_another_in_its_place_alone() -> None:
    admission = Admission()
    first, second = a_design(seq=7), a_design(seq=7, name="Other")
    judge(first, admission)

    admission.forget(second)

    assert isinstance(judge(second, admission), Conflict)


def places_of(*stored: Record) -> list[Place]:
    return [Place(r.author, r.body.stream, r.body.seq, r.id) for r in stored]


@pytest.mark.rule("ADMISSION-4")
def test_a_restart_remembers_what_was_stored_and_the_marks_of_what_was_removed() -> None:
    design, removed, letter = a_design(), a_capacity(seq=9), a_request(by=EVE, seq=3)
    admission = Admission(places_of(design, letter), marks=places_of(removed))

    assert isinstance(judge(design, admission), Ignore)
    assert isinstance(judge(a_capacity(seq=8), admission), Ignore)
    assert isinstance(judge(a_capacity(seq=9, at=NOON + 1), admission), Conflict)
    assert isinstance(judge(a_request(by=EVE, seq=3, job=1), admission), Conflict)
    assert isinstance(judge(a_capacity(seq=10), admission), Accept)


# Replays.

HISTORY = [
    *(a_capacity(seq=seq, at=NOON + seq) for seq in range(1, 5)),
    *(a_workshop(seq=seq) for seq in range(1, 4)),
    *(a_design(by=CAROL, seq=seq) for seq in range(1, 4)),
    a_revocation(by=EVE, at=NOON - 2, since=NOON - 1),
    a_design(by=EVE, at=NOON - 5),
]


@pytest.mark.rule("ADMISSION-11")
@given(st.permutations(HISTORY * 2))
def test_a_history_played_in_any_order_leaves_the_same_newest_and_the_same_designs(
    history: list[Record],
) -> None:
    admission = Admission()
    newest: dict[str, Record] = {}
    designs: set[bytes] = set()
    for record in history:
        if isinstance(judge(record, admission), Accept):
            if record.kind == "design":
                designs.add(record.id)
            elif record.kind != "revocation":
                newest[record.kind] = record

    assert {kind: record.body.seq for kind, record in newest.items()} == {
        "capacity": 4,
        "workshop": 3,
    }
    assert designs == {record.id for record in HISTORY if record.kind == "design"}


@pytest.mark.rule("ADMISSION-5")
@given(st.permutations([a_capacity(by=EVE, seq=1, at=NOON + n) for n in range(3)] * 2))
def test_an_author_who_says_two_things_in_one_place_is_found_out_in_any_order(
    history: list[Record],
) -> None:
    admission = Admission()

    verdicts = [judge(record, admission) for record in history]

    accepted = [v.record for v in verdicts if isinstance(v, Accept)]
    proofs = {v.other.id for v in verdicts if isinstance(v, Conflict)}
    assert accepted == [history[0]]
    assert proofs == {record.id for record in history} - {history[0].id}
