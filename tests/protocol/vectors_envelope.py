"""The cases of specs/vectors/envelope.json: frames to accept, and frames to refuse."""

from commonfab.protocol import encoding, envelope
from commonfab.protocol.envelope import Envelope
from commonfab.protocol.errors import BadSignature
from commonfab.protocol.limits import BODY_BYTES_MAX
from tests.protocol.edwards import L
from tests.protocol.odd_signatures import all_cases
from tests.protocol.signers import ALICE, BOB, EVE, Person
from tests.vectors import Case

ABOUT = (
    "Sealed records, specs/envelope.md. accept: the frame is what the seed's key makes of kind"
    " and body. malformed: the frame breaks the rule before any signature is looked at. forged:"
    " the frame has the form, and its signature is refused. The cases with a number are those"
    " of 'Taming the many EdDSAs' (Chalkias, Garillot, Nikolaenko, 2020), built for our text."
)

_KEY_AT, _SIGNATURE_AT, _DOMAIN_AT = 5, 37, 101


def cases() -> list[Case]:
    return [*_accepted(), *_malformed(), *_forged(), *_odd()]


def _accepted() -> list[Case]:
    offer = encoding.encode({"at": 1_790_000_000_000, "seq": 1, "stream": "offer"})
    longest = "k" * (64 - len(envelope.DOMAIN_PREFIX))
    return [
        _accept("an offer by Alice", ALICE, "offer", offer),
        _accept("the same body as a lease", ALICE, "lease", offer),
        _accept("the same offer by Bob", BOB, "offer", offer),
        _accept("an empty map", ALICE, "design", b"\x80"),
        _accept("a body that nobody will decode", ALICE, "design", b""),
        _accept("the longest domain", ALICE, longest, b"\x80"),
        _accept("a kind of one letter", ALICE, "a", b"\x80"),
        _accept("a kind with digits and a hyphen", ALICE, "test-2", b"\x80"),
    ]


def _accept(name: str, author: Person, kind: str, body: bytes) -> Case:
    sealed = envelope.seal(kind, body, author)
    return {
        "name": name,
        "verdict": "accept",
        "seed": author.seed.hex(),
        "author": author.node.hex(),
        "kind": kind,
        "body": body.hex(),
        "signed": signed_by(sealed).hex(),
        "id": sealed.id.hex(),
        "frame": sealed.data.hex(),
    }


def signed_by(sealed: Envelope) -> bytes:
    """Return the text that the author signed, taken from the frame as the spec draws it."""
    frame = sealed.data
    domain_end = _DOMAIN_AT + 2 + int.from_bytes(frame[_DOMAIN_AT : _DOMAIN_AT + 2], "big")
    domain, body = frame[_DOMAIN_AT:domain_end], frame[domain_end:]
    return b"CFSIG1\0" + domain + frame[_KEY_AT:_SIGNATURE_AT] + body


def _malformed() -> list[Case]:
    frame = envelope.seal("offer", b"\x81\xa1a\x01", ALICE).data
    head, body_at = frame[:_DOMAIN_AT], len(frame) - 8
    domain, body = frame[_DOMAIN_AT:body_at], frame[body_at:]
    found = [
        _refuse("nothing", "ENVELOPE-1", b""),
        _refuse("another magic", "ENVELOPE-1", b"CFR2" + frame[4:]),
        _refuse("another algorithm", "ENVELOPE-1", b"CFR1\x02" + frame[5:]),
        _refuse("cut in the key", "ENVELOPE-1", frame[:20]),
        _refuse("cut in the signature", "ENVELOPE-1", frame[:90]),
        _refuse("cut in the domain's length", "ENVELOPE-1", frame[: _DOMAIN_AT + 1]),
        _refuse("cut in the domain", "ENVELOPE-1", frame[: _DOMAIN_AT + 10]),
        _refuse("cut in the body's length", "ENVELOPE-1", frame[: body_at + 3]),
        _refuse("cut in the body", "ENVELOPE-1", frame[:-1]),
        _refuse("a byte after the end", "ENVELOPE-1", frame + b"\0"),
        _refuse("a second frame after the end", "ENVELOPE-1", frame + frame),
        _refuse("a body of 4 GiB that is not there", "ENVELOPE-7", head + domain + b"\xff" * 4),
        _refuse("a domain of 64 KiB that is not there", "ENVELOPE-7", head + b"\xff" * 2),
        _refuse("a body length over the limit", "ENVELOPE-7", head + domain + _long()),
    ]
    for name, text in (
        ("no domain", b""),
        ("another network", b"commonfab/2/offer"),
        ("an empty kind", b"commonfab/1/"),
        ("a kind in capitals", b"commonfab/1/OFFER"),
        ("a kind with a line feed", b"commonfab/1/offer\n"),
        ("a kind with a slash", b"commonfab/1/offer/2"),
        ("a kind that begins with a digit", b"commonfab/1/2offer"),
        ("a domain that is not ASCII", b"commonfab/1/\xc3\xb6ffer"),
    ):
        found.append(_refuse(name, "ENVELOPE-3", head + _with_length(text) + body))
    too_long = b"commonfab/1/".ljust(65, b"k")
    found.append(_refuse("too long a domain", "ENVELOPE-7", head + _with_length(too_long) + body))
    return found


def _long() -> bytes:
    return (BODY_BYTES_MAX + 1).to_bytes(4, "big")


def _with_length(text: bytes) -> bytes:
    return len(text).to_bytes(2, "big") + text


def _refuse(name: str, rule: str, frame: bytes) -> Case:
    return {"name": name, "verdict": "malformed", "rule": rule, "frame": frame.hex()}


def _forged() -> list[Case]:
    body = b"\x81\xa1a\x01"
    offer = envelope.seal("offer", body, ALICE).data
    lease = envelope.seal("lease", body, ALICE).data
    by_eve = envelope.seal("offer", body, EVE).data
    signature = offer[_SIGNATURE_AT:_DOMAIN_AT]
    half = int.from_bytes(signature[32:], "little") + L
    larger = signature[:32] + half.to_bytes(32, "little")
    return [
        _forge("a lease with an offer's signature", lease, signature=signature),
        _forge("Alice's offer with Eve's signature", offer, by_eve[_SIGNATURE_AT:_DOMAIN_AT]),
        _forge("Eve's name on Alice's signature", by_eve, signature=signature),
        _forge("another body", offer[:-1] + b"\x02", signature=signature),
        _forge("no signature", offer, signature=bytes(64)),
        _forge("S + L of a good signature", offer, signature=larger),
        _forge("the identity as R and S = 0", offer, signature=b"\x01" + bytes(63)),
    ]


def _forge(name: str, frame: bytes, signature: bytes) -> Case:
    forged = frame[:_SIGNATURE_AT] + signature + frame[_DOMAIN_AT:]
    rule = "ENVELOPE-3" if name.startswith("a lease") else "ENVELOPE-5"
    return {"name": name, "verdict": "forged", "rule": rule, "frame": forged.hex()}


def _odd() -> list[Case]:
    return [
        {
            "name": case.name,
            "verdict": "accept" if _is_accepted(case.frame) else "forged",
            "rule": "ENVELOPE-5",
            "frame": case.frame.hex(),
        }
        for case in all_cases()
    ]


def _is_accepted(frame: bytes) -> bool:
    try:
        envelope.parse(frame).verify()
    except BadSignature:
        return False
    return True
