"""Pairing: what comes of a secret, what a proof is bound to, and what a host does with guests."""

from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from commonfab.protocol.errors import Malformed
from commonfab.protocol.ids import NodeId, Timestamp
from commonfab.protocol.meeting import pairing
from commonfab.protocol.meeting.pairing import (
    MESSAGE_BYTES_MAX,
    Challenge,
    Encounter,
    Ended,
    Hello,
    Keys,
    Open,
    Proof,
    Refused,
    Role,
    State,
    Used,
    judge,
    refusal,
)
from tests.vectors import load

HOST, GUEST, EVE = NodeId(b"H" * 32), NodeId(b"G" * 32), NodeId(b"E" * 32)
KEYS = Keys(place=b"p" * 32, tag=b"t" * 32, key=b"k" * 32)
OTHER_KEYS = Keys(place=b"p" * 32, tag=b"t" * 32, key=b"K" * 32)
NOW = Timestamp(1_790_000_000_000)
UNTIL = Timestamp(NOW + pairing.CODE_TERM_MS)
MET = Encounter(HOST, GUEST, host_nonce=b"h" * 32, guest_nonce=b"g" * 32)


def proof(met: Encounter = MET, keys: Keys = KEYS, role: Role = "guest") -> bytes:
    return met.mac(keys, role)


@pytest.mark.rule("PAIRING-2")
@pytest.mark.parametrize("case", [c for c in load("pairing") if c["what"] == "keys"])
def test_the_keys_of_a_secret_are_those_of_the_vectors(case: dict[str, str]) -> None:
    keys = pairing.derive(bytes.fromhex(case["secret"]))

    assert [keys.place.hex(), keys.tag.hex(), keys.key.hex()] == [
        case["place"],
        case["tag"],
        case["key"],
    ]


@pytest.mark.rule("PAIRING-3")
def test_the_proofs_of_a_conversation_are_those_of_the_vectors() -> None:
    (case,) = [case for case in load("pairing") if case["what"] == "proofs"]
    keys = pairing.derive(bytes.fromhex(load("pairing")[0]["secret"]))
    fields = ("host", "guest", "host_nonce", "guest_nonce")
    host, guest, host_nonce, guest_nonce = (bytes.fromhex(case[field]) for field in fields)
    met = Encounter(NodeId(host), NodeId(guest), host_nonce, guest_nonce)

    assert met.mac(keys, "host").hex() == case["host_mac"]
    assert met.mac(keys, "guest").hex() == case["guest_mac"]


@pytest.mark.rule("PAIRING-3")
@pytest.mark.parametrize(
    "other",
    [
        Encounter(EVE, GUEST, MET.host_nonce, MET.guest_nonce),
        Encounter(HOST, EVE, MET.host_nonce, MET.guest_nonce),
        Encounter(GUEST, HOST, MET.host_nonce, MET.guest_nonce),
        Encounter(HOST, GUEST, b"x" * 32, MET.guest_nonce),
        Encounter(HOST, GUEST, MET.host_nonce, b"x" * 32),
    ],
    ids=["another host", "another guest", "sides swapped", "host's nonce", "guest's nonce"],
)
def test_a_proof_fits_no_other_conversation(other: Encounter) -> None:
    assert not other.is_proof(proof(), KEYS, "guest")


@pytest.mark.rule("PAIRING-3")
def test_a_guests_proof_sent_back_is_no_proof_of_the_host() -> None:
    assert not MET.is_proof(proof(), KEYS, "host")


def test_a_right_proof_uses_a_secret() -> None:
    assert judge(Open(), UNTIL, KEYS, MET, proof(), NOW) == (Used(GUEST, NOW), None)


@pytest.mark.rule("PAIRING-5")
def test_a_wrong_proof_ends_nothing_for_whoever_knows_the_secret() -> None:
    state, why = judge(Open(), UNTIL, KEYS, MET, proof(keys=OTHER_KEYS), NOW)

    assert (state, why) == (Open(), "wrong")
    assert judge(state, UNTIL, KEYS, MET, proof(), NOW) == (Used(GUEST, NOW), None)


@pytest.mark.rule("PAIRING-6")
def test_a_used_secret_serves_its_guest_again_and_nobody_else() -> None:
    used = Used(GUEST, NOW)
    eves = Encounter(HOST, EVE, MET.host_nonce, MET.guest_nonce)

    assert judge(used, UNTIL, KEYS, MET, proof(), NOW) == (used, None)
    assert judge(used, UNTIL, KEYS, eves, proof(eves), NOW) == (used, "used")
    assert refusal(used, EVE, UNTIL, NOW) == "used"


@pytest.mark.rule("PAIRING-5")
def test_a_wrong_proof_takes_nothing_from_the_guest_that_came_first() -> None:
    used = Used(GUEST, NOW)

    assert judge(used, UNTIL, KEYS, MET, proof(keys=OTHER_KEYS), NOW) == (used, "wrong")


@pytest.mark.rule("PAIRING-7")
@pytest.mark.parametrize(
    ("state", "now", "why"),
    [
        (Open(), NOW, None),
        (Open(), UNTIL - 1, None),
        (Open(), UNTIL, "expired"),
        (Used(GUEST, NOW), UNTIL, "expired"),
        (Ended("revoked"), NOW, "revoked"),
    ],
)
def test_a_guest_is_told_why_it_is_refused(state: State, now: int, why: str | None) -> None:
    assert refusal(state, GUEST, UNTIL, Timestamp(now)) == why
    assert judge(state, UNTIL, KEYS, MET, proof(), Timestamp(now))[1] == why


@given(st.lists(st.tuples(st.sampled_from([GUEST, EVE]), st.booleans(), st.integers(0, 300_000))))
def test_whatever_guests_do_one_of_them_at_most_uses_a_secret_and_only_with_a_right_proof(
    tries: list[tuple[NodeId, bool, int]],
) -> None:
    state: State = Open()
    now = NOW
    for guest, knows, wait_ms in tries:
        now = Timestamp(now + wait_ms)
        met = Encounter(HOST, guest, MET.host_nonce, MET.guest_nonce)
        before = state
        state, why = judge(state, UNTIL, KEYS, met, proof(met, KEYS if knows else OTHER_KEYS), now)
        if why is None:
            assert knows
            assert now < UNTIL
            assert isinstance(state, Used)
            assert state.by == guest
        if isinstance(before, Used):
            assert state == before


@pytest.mark.parametrize(
    "message",
    [
        Hello(b"t" * 32, b"n" * 32),
        Challenge(b"n" * 32),
        Proof(b"m" * 32, ("/ip4/192.0.2.7/tcp/1/p2p/x",) * 8),
        Refused("used"),
    ],
)
def test_a_message_reads_back_as_it_was_written(message: pairing.Message) -> None:
    data = pairing.encode(message)

    assert pairing.decode(data) == message
    assert len(data) <= MESSAGE_BYTES_MAX


@pytest.mark.rule("PAIRING-11")
@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xc1",
        bytes(MESSAGE_BYTES_MAX + 1),
        pairing.encode(Hello(b"short", b"n" * 32)),
        pairing.encode(Proof(b"m" * 32, ("a",) * 9)),
        pairing.encode(Proof(b"m" * 32, ("a" * 257,))),
        b"\x83\xa4type\xa9challenge\xa5nonce\xc4\x20" + b"n" * 32 + b"\xa1x\x01",
        pairing.encode(Hello(b"t" * 32, b"n" * 32)).replace(b"hello", b"h\xff\xfe\xfdo"),
        pairing.encode(Proof(b"m" * 32, ("abc",))).replace(b"abc", b"\xff\xfe\xfd"),
        b"\x82\xa1x" + b"\x91" * 4000,
    ],
)
def test_what_is_no_message_is_refused(data: bytes) -> None:
    with pytest.raises(Malformed):
        pairing.decode(data)


@given(st.binary(max_size=200))
@settings(max_examples=300)
def test_noise_raises_nothing_but_malformed(data: bytes) -> None:
    with suppress(Malformed):
        pairing.decode(data)
