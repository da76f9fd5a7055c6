"""What it costs to believe a record, beside the signature check alone, in processor time.

python -m tests.benchmarks.bench_admission
"""

from collections.abc import Callable, Sequence
from time import process_time

from nacl.bindings import crypto_sign_open

from commonfab.protocol import envelope, records
from commonfab.protocol.admission import Accept, Admission, Ignore, Reject
from commonfab.protocol.ids import Timestamp
from tests.protocol.signers import ALICE

RECORDS = 2_000
RECORD_BYTES = 300
NOW = Timestamp(1_795_000_000_000)
BEST_OF = 5
GOAL_PER_SECOND = 10_000


def run() -> list[tuple[str, str]]:
    """Return rows of (what, how fast)."""
    frames = [a_record(seq) for seq in range(1, RECORDS + 1)]
    sealed = [envelope.parse(frame) for frame in frames]
    # What libsodium gets for a record: 64 bytes of signature and a signed text, here of
    # the same length, so that its own time is all that is measured.
    signed = [frame[37:101] + text_of(frame) for frame in frames]
    alone = rate(lambda: [crypto_sign_open(text, ALICE.node) for text in signed])
    judged = rate(lambda: judge_all(frames, Accept))
    known = Admission()
    judge_with(known, frames)
    forged = [frame[:-1] + bytes([frame[-1] ^ 1]) for frame in frames]
    return [
        ("Ed25519 by libsodium alone", f"{alone:,.0f}/s"),
        ("frame taken apart and identified", of(alone, rate(lambda: parse_all(frames)))),
        ("body read: canonical form and types", of(alone, rate(lambda: read_all(sealed)))),
        ("taken apart, verified and read", of(alone, rate(lambda: believe_all(frames)))),
        (f"a new record of {RECORD_BYTES} bytes admitted", of(alone, judged)),
        ("a known record ignored", of(alone, rate(lambda: judge_with(known, frames, Ignore)))),
        ("a forged record rejected", of(alone, rate(lambda: judge_all(forged, Reject)))),
        (f"goal of {GOAL_PER_SECOND:,} admitted a second", verdict(judged)),
    ]


def a_record(seq: int) -> bytes:
    """Return a sealed record of `RECORD_BYTES`: a workshop, about which enough is said."""
    bare = sealed_workshop(seq, about="x" * 40)
    data = sealed_workshop(seq, about="x" * (40 + RECORD_BYTES - len(bare)))
    assert len(data) == RECORD_BYTES
    return data


def sealed_workshop(seq: int, about: str) -> bytes:
    body = records.Workshop(
        stream="workshop",
        seq=NOW + seq,
        at=NOW,
        name="Bob's workshop",
        about=about,
        place=records.Place(lat_udeg=38_722_000, lon_udeg=-9_139_000),
        addresses=("/ip4/192.0.2.1/tcp/4001",),
    )
    return records.sign(body, ALICE).data


def text_of(frame: bytes) -> bytes:
    """Return what the author of `frame` signed."""
    domain_end = 103 + int.from_bytes(frame[101:103], "big")
    return b"CFSIG1\0" + frame[101:domain_end] + frame[5:37] + frame[domain_end:]


def parse_all(frames: Sequence[bytes]) -> None:
    for frame in frames:
        envelope.parse(frame)


def read_all(sealed: Sequence[envelope.Envelope]) -> None:
    for one in sealed:
        records.read(one)


def believe_all(frames: Sequence[bytes]) -> None:
    for frame in frames:
        sealed = envelope.parse(frame)
        sealed.verify()
        records.read(sealed)


def judge_all(frames: Sequence[bytes], expected: type) -> None:
    judge_with(Admission(), frames, expected)


def judge_with(admission: Admission, frames: Sequence[bytes], expected: type = Accept) -> None:
    for frame in frames:
        found = admission.judge(frame, NOW)
        assert isinstance(found, expected), found


def rate(work: Callable[[], object]) -> float:
    """Return how many of `RECORDS` are done a second, at best."""
    times: list[float] = []
    for _ in range(BEST_OF):
        start = process_time()
        work()
        times.append(process_time() - start)
    return RECORDS / min(times)


def of(alone: float, found: float) -> str:
    return f"{found:,.0f}/s, {found / alone:.2f} times libsodium alone"


def verdict(judged: float) -> str:
    word = "reached" if judged >= GOAL_PER_SECOND else "missed"
    return f"{word}, {judged / GOAL_PER_SECOND:.1f} times"


if __name__ == "__main__":
    for what, how_fast in run():
        print(f"{what:50} {how_fast}")
