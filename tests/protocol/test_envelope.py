"""Sealed records: their layout, their ids, and the signatures that are good enough."""

import dataclasses
import hashlib
from random import Random

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from hypothesis import given
from hypothesis import strategies as st

from commonfab.protocol import envelope, records, statements
from commonfab.protocol.envelope import Envelope
from commonfab.protocol.errors import BadSignature, Malformed
from commonfab.protocol.ids import NodeId
from commonfab.protocol.limits import (
    BODY_BYTES_MAX,
    ENVELOPE_BYTES_MAX,
    HALF_BYTES_MAX,
    PROOF_BYTES_MAX,
)
from tests import vectors
from tests.protocol import edwards
from tests.protocol.signers import ALICE, BOB, EVE, Person
from tests.protocol.vectors_envelope import signed_by

CASES = vectors.load("envelope")
MADE = [case for case in CASES if "seed" in case]
ODD = [case for case in CASES if case["name"][0].isdigit()]
MALFORMED = [case for case in CASES if case["verdict"] == "malformed"]
FORGED = [case for case in CASES if case["verdict"] == "forged"]

REASONS = {
    "ENVELOPE-1": "not a record of this version|ends early|after the end",
    "ENVELOPE-3": "a domain of another network, or a kind",
    "ENVELOPE-7": "a length of|the record ends early",
}

kinds = st.from_regex(r"[a-z][a-z0-9-]{0,51}", fullmatch=True)
bodies = st.binary(max_size=200)
people = st.sampled_from([ALICE, BOB, EVE])


def name_of(case: vectors.Case) -> str:
    name: str = case["name"]
    return name


def frame_of(case: vectors.Case) -> bytes:
    return bytes.fromhex(case["frame"])


def is_believed(frame: bytes) -> bool:
    """Tell whether `frame` has the form of a record and a good signature."""
    try:
        envelope.parse(frame).verify()
    except (Malformed, BadSignature):
        return False
    return True


@pytest.mark.rule("ENVELOPE-1")
@pytest.mark.rule("ENVELOPE-2")
@pytest.mark.rule("ENVELOPE-4")
@pytest.mark.parametrize("case", MADE, ids=name_of)
def test_seal_makes_the_frame_of_the_vector(case: vectors.Case) -> None:
    author = Person(bytes.fromhex(case["seed"]))

    sealed = envelope.seal(case["kind"], bytes.fromhex(case["body"]), author)

    assert sealed.data.hex() == case["frame"]
    assert sealed.author.hex() == case["author"]
    assert sealed.id.hex() == case["id"]
    assert hashlib.sha256(bytes.fromhex(case["signed"])).hexdigest() == case["id"]


@pytest.mark.parametrize("case", MADE, ids=name_of)
def test_parse_takes_apart_what_seal_made(case: vectors.Case) -> None:
    parsed = envelope.parse(frame_of(case))

    parsed.verify()
    assert parsed == envelope.seal(
        case["kind"], bytes.fromhex(case["body"]), Person(bytes.fromhex(case["seed"]))
    )


@pytest.mark.parametrize("person", [ALICE, BOB, EVE], ids=["alice", "bob", "eve"])
def test_a_key_is_what_the_curve_makes_of_its_seed(person: Person) -> None:
    scalar = bytearray(hashlib.sha512(person.seed).digest()[:32])
    scalar[0] &= 248
    scalar[31] = scalar[31] & 63 | 64

    key = edwards.multiply(int.from_bytes(scalar, "little"), edwards.BASE)

    assert edwards.encode(key) == person.node


@pytest.mark.parametrize("case", MADE, ids=name_of)
def test_another_library_believes_what_was_signed(case: vectors.Case) -> None:
    frame = frame_of(case)

    Ed25519PublicKey.from_public_bytes(frame[5:37]).verify(
        frame[37:101], bytes.fromhex(case["signed"])
    )


@pytest.mark.rule("ENVELOPE-1")
@pytest.mark.rule("ENVELOPE-3")
@pytest.mark.rule("ENVELOPE-7")
@pytest.mark.parametrize("case", MALFORMED, ids=name_of)
def test_a_frame_out_of_form_is_refused_with_its_reason(case: vectors.Case) -> None:
    with pytest.raises(Malformed, match=REASONS[case["rule"]]):
        envelope.parse(frame_of(case))


@pytest.mark.rule("ENVELOPE-3")
@pytest.mark.rule("ENVELOPE-5")
@pytest.mark.parametrize("case", FORGED, ids=name_of)
def test_a_bad_signature_is_refused_and_the_reason_names_kind_and_author(
    case: vectors.Case,
) -> None:
    parsed = envelope.parse(frame_of(case))

    with pytest.raises(BadSignature, match=f"^{parsed.kind} .* by {parsed.author.hex()[:8]}$"):
        parsed.verify()


@pytest.mark.rule("ENVELOPE-5")
def test_of_the_twelve_disputed_signatures_only_the_fourth_is_believed() -> None:
    verdicts = [is_believed(frame_of(case)) for case in ODD]

    assert verdicts == [number == 3 for number in range(12)]


@pytest.mark.rule("ENVELOPE-5")
@pytest.mark.parametrize("case", [*MADE, *FORGED, *ODD], ids=name_of)
def test_the_rule_for_signatures_as_it_is_written_gives_the_same_verdict(
    case: vectors.Case,
) -> None:
    parsed = envelope.parse(frame_of(case))
    signature = parsed.data[37:101]

    verdict = edwards.verify(parsed.author, signed_by(parsed), signature)

    assert verdict == (case["verdict"] == "accept") == is_believed(parsed.data)


def small_order_encodings() -> list[bytes]:
    """Return all 32 bytes that stand for a point of small order, canonical or not."""
    found = set[bytes]()
    for factor in range(8):
        y = edwards.multiply(factor, edwards.ORDER_8)[1]
        for number in (y, y + edwards.P):
            for sign in (0, 1 << 255):
                if number < 1 << 255:
                    found.add((number | sign).to_bytes(32, "little"))
    return sorted(found)


@pytest.mark.rule("ENVELOPE-5")
@pytest.mark.parametrize("key", small_order_encodings(), ids=lambda key: key.hex()[:6])
def test_a_key_of_small_order_signs_nothing(key: bytes) -> None:
    for r in small_order_encodings():
        sealed = frame_by(key, r + bytes(32), b"\x80")

        assert not is_believed(sealed)


def test_a_library_that_takes_keys_of_small_order_believes_everything_of_one() -> None:
    """Why ENVELOPE-5 is needed: the same check by OpenSSL."""
    identity, signature = b"\x01" + bytes(31), b"\x01" + bytes(63)
    key = Ed25519PublicKey.from_public_bytes(identity)

    for number in range(64):
        frame = frame_by(identity, signature, bytes([number]))
        key.verify(signature, signed_by(envelope.parse(frame)))
        assert not is_believed(frame)


def frame_by(key: bytes, signature: bytes, body: bytes) -> bytes:
    good = envelope.seal("offer", body, ALICE).data
    return good[:5] + key + signature + good[101:]


@pytest.mark.rule("ENVELOPE-5")
def test_every_change_of_one_byte_is_refused() -> None:
    frame = envelope.seal("a", b"\x80", ALICE).data

    for at, byte in enumerate(frame):
        for new in range(256):
            changed = frame[:at] + bytes([new]) + frame[at + 1 :]
            assert is_believed(changed) == (new == byte), (at, new)


@given(people, kinds, bodies, st.randoms(use_true_random=False))
def test_no_change_of_a_record_is_believed(
    author: Person, kind: str, body: bytes, random: Random
) -> None:
    frame = envelope.seal(kind, body, author).data
    start = random.randrange(len(frame))
    end = random.randrange(start, min(len(frame), start + 70) + 1)
    changed = frame[:start] + random.randbytes(random.randrange(70)) + frame[end:]

    assert is_believed(frame)
    assert changed == frame or not is_believed(changed)


@pytest.mark.rule("ENVELOPE-1")
def test_every_cut_of_a_frame_is_malformed() -> None:
    frame = envelope.seal("offer", b"\x80", ALICE).data

    for end in range(len(frame)):
        reason = "not a record of this version" if end < 5 else "the record ends early"
        with pytest.raises(Malformed, match=reason):
            envelope.parse(frame[:end])


@pytest.mark.rule("ENVELOPE-3")
@given(kinds, kinds, bodies)
def test_a_signature_for_one_kind_is_none_for_another(kind: str, other: str, body: bytes) -> None:
    signature = envelope.seal(kind, body, ALICE).data[37:101]
    frame = envelope.seal(other, body, ALICE).data

    assert is_believed(frame[:37] + signature + frame[101:]) == (kind == other)


@pytest.mark.rule("ENVELOPE-2")
@given(kinds, bodies, kinds, bodies)
def test_no_two_records_have_one_signed_text(
    kind: str, body: bytes, other_kind: str, other_body: bytes
) -> None:
    one = envelope.seal(kind, body, ALICE)
    other = envelope.seal(other_kind, other_body, ALICE)

    assert (signed_by(one) == signed_by(other)) == ((kind, body) == (other_kind, other_body))
    assert (one.id == other.id) == (one.data == other.data)


@pytest.mark.rule("ENVELOPE-4")
def test_the_id_does_not_depend_on_the_signature() -> None:
    sealed = envelope.seal("offer", b"\x80", ALICE)
    unsigned = envelope.parse(sealed.data[:37] + bytes(64) + sealed.data[101:])

    assert unsigned.id == sealed.id
    assert not is_believed(unsigned.data)


@pytest.mark.rule("ENVELOPE-4")
def test_two_authors_of_one_body_have_two_ids() -> None:
    assert envelope.seal("offer", b"\x80", ALICE).id != envelope.seal("offer", b"\x80", BOB).id


@pytest.mark.rule("ENVELOPE-6")
def test_the_bytes_that_came_are_the_bytes_that_are_kept() -> None:
    """Also where encoding the body again would give other bytes."""
    spelled_out = bytes.fromhex("85a26174cd03e8a3736571cc05a573696e636501a673747265616da1")
    sealed = envelope.seal("revocation", spelled_out, ALICE)

    parsed = envelope.parse(sealed.data)

    assert parsed.data is sealed.data
    assert parsed.body == spelled_out


@pytest.mark.rule("ENVELOPE-6")
def test_a_record_carries_the_frame_that_was_signed() -> None:
    body = statements.Revocation(stream="revocation", seq=1, at=1, since=1, reason="lost")

    record = records.sign(body, ALICE)

    read = records.read(envelope.parse(record.data))
    assert read == record
    assert is_believed(read.data)


@pytest.mark.rule("ENVELOPE-8")
def test_taking_a_frame_apart_looks_neither_at_signature_nor_body() -> None:
    frame = frame_by(EVE.node, b"\xff" * 64, b"no msgpack: \xc1")

    parsed = envelope.parse(frame)

    assert parsed.kind == "offer"
    assert envelope.identify(frame) == parsed.id


@pytest.mark.rule("ENVELOPE-7")
def test_a_frame_over_the_limit_is_refused_before_anything_is_read() -> None:
    with pytest.raises(Malformed, match="an envelope of 132353 bytes; the limit is 132352"):
        envelope.parse(bytes(ENVELOPE_BYTES_MAX + 1))


@pytest.mark.rule("ENVELOPE-7")
def test_the_largest_body_under_the_longest_kind_fits() -> None:
    sealed = envelope.seal("k" * 52, bytes(BODY_BYTES_MAX), ALICE)

    assert envelope.parse(sealed.data) == sealed
    assert len(sealed.data) <= HALF_BYTES_MAX


@pytest.mark.rule("ENVELOPE-7")
def test_only_a_proof_has_room_for_two_records() -> None:
    sealed = envelope.seal("proof", bytes(PROOF_BYTES_MAX), ALICE)

    assert envelope.parse(sealed.data) == sealed
    assert len(sealed.data) <= ENVELOPE_BYTES_MAX
    with pytest.raises(Malformed, match="the limit here is 65536"):
        envelope.parse(sealed.data.replace(b"commonfab/1/proof", b"commonfab/1/offer"))


@pytest.mark.parametrize("kind", ["", "Offer", "offer/2", "k" * 53, "2offer"])
def test_this_node_seals_no_kind_that_it_would_refuse(kind: str) -> None:
    with pytest.raises(AssertionError):
        envelope.seal(kind, b"\x80", ALICE)


def test_this_node_seals_no_body_that_it_would_refuse() -> None:
    with pytest.raises(AssertionError):
        envelope.seal("offer", bytes(BODY_BYTES_MAX + 1), ALICE)


def test_a_signer_that_returns_something_else_is_noticed() -> None:
    class Broken(Person):
        def sign(self, text: bytes) -> bytes:
            return super().sign(text)[:63]

    with pytest.raises(AssertionError):
        envelope.seal("offer", b"\x80", Broken(EVE.seed))


def test_a_key_of_another_length_never_reaches_the_library() -> None:
    sealed = envelope.seal("offer", b"\x80", ALICE)
    short = dataclasses.replace(sealed, author=NodeId(ALICE.node[:31]))

    with pytest.raises(AssertionError):
        short.verify()


def test_other_libraries_agree_on_ordinary_forgeries() -> None:
    """Bit by bit over a whole signature: OpenSSL and libsodium refuse the same."""
    sealed = envelope.seal("offer", b"\x80", ALICE)
    key = Ed25519PublicKey.from_public_bytes(ALICE.node)

    for bit in range(512):
        changed = bytearray(sealed.data[37:101])
        changed[bit // 8] ^= 1 << bit % 8
        with pytest.raises(InvalidSignature):
            key.verify(bytes(changed), signed_by(sealed))
        assert not is_believed(replaced(sealed, bytes(changed)))


def replaced(sealed: Envelope, signature: bytes) -> bytes:
    return sealed.data[:37] + signature + sealed.data[101:]
