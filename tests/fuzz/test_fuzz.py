"""All that reads the bytes of strangers is fuzzed; here a little, by `make soak` a great deal."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from .canonical import Dispute
from .fuzzing import TARGETS, Job, find, jobs, run
from .mutants import Mutants
from .target import Target

ROOT = Path(__file__).parents[2]
FRAMES = 400
READS = re.compile(
    r"(decode\w*|parse|identify|read|read_\w+|from_bytes|feed|receive|judge|fields|is_note|hash_of"
    r"|addressee|key_of|open_chunk|content_length)"
)
"""Names of functions that read bytes which a stranger made."""
ELSEWHERE = {
    "node/home/network_key.py:read": "the operator's own file",
    "protocol/admission.py:read": "given a record, not bytes",
}
PROTOCOL_ID = re.compile(r"/(commonfab|ipfs|libp2p)/[a-z0-9./]+")
NOT_FUZZED = {
    "node/network/libp2p_transport.py:PING": "sends back what came, unread",
    "protocol/links/reach_wire.py:IDENTIFY": "py-libp2p reads it; what it gives here is `identify`",
}


def functions_that_read() -> Iterator[str]:
    """Yield all public functions whose first argument is bytes and whose name says "reads"."""
    for package in ("protocol", "storage", "node/network", "node/finding", "node/meeting"):
        for path in sorted((ROOT / package).glob("*.py")):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.FunctionDef) and READS.fullmatch(node.name):
                    arguments = [each for each in node.args.args if each.arg not in ("self", "cls")]
                    first = arguments[0].annotation if arguments else None
                    if first is not None and ast.unparse(first) in ("bytes", "memoryview"):
                        yield f"{path.relative_to(ROOT)}:{node.name}"


def protocols() -> Iterator[str]:
    """Yield all constants that name a protocol."""
    for package in ("protocol", "node"):
        for path in sorted((ROOT / package).rglob("*.py")):
            for node in ast.parse(path.read_text()).body:
                match node:
                    case ast.Assign(
                        targets=[ast.Name(id=name)], value=ast.Constant(value=str(text))
                    ):
                        if PROTOCOL_ID.fullmatch(text):
                            yield f"{path.relative_to(ROOT)}:{name}"
                    case _:
                        pass


def test_every_function_that_reads_the_bytes_of_strangers_has_a_target() -> None:
    named = {function for target in TARGETS for function in target.reads}

    assert set(functions_that_read()) - named - set(ELSEWHERE) == set()


def test_every_protocol_has_a_target() -> None:
    served = {protocol for target in TARGETS for protocol in target.serves}

    assert set(protocols()) == served | set(NOT_FUZZED)


def test_no_two_targets_have_one_name() -> None:
    assert len({target.name for target in TARGETS}) == len(TARGETS)


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_nothing_but_a_typed_refusal_comes_out(target: Target) -> None:
    outcome = run(Job(target.name, FRAMES, seed=1))

    assert not outcome.escaped
    assert outcome.frames == FRAMES


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_some_samples_are_read_and_some_mutants_are_refused(target: Target) -> None:
    outcome = run(Job(target.name, FRAMES, seed=2))

    assert 0 < outcome.refused < FRAMES


def test_what_escapes_is_told_with_the_bytes_that_show_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def fall_over(data: bytes) -> object:
        raise IndexError("list index out of range")

    pairing = find("pairing")
    broken = Target(name="broken", reads=(), samples=pairing.samples, opened=lambda: fall_over)
    monkeypatch.setattr("tests.fuzz.fuzzing.TARGETS", (broken,))

    outcome = run(Job("broken", 10, seed=5))

    first = Mutants(pairing.samples(Random(5)), 5).next()
    assert outcome.frames == 0
    assert "Job(target='broken', frames=10, seed=5), frame 0: IndexError" in outcome.escaped
    assert first.hex() in outcome.escaped


def test_a_disagreement_of_the_two_readers_is_no_refusal() -> None:
    assert not issubclass(Dispute, find("records").refusals)


def test_a_seed_gives_the_same_mutants_again() -> None:
    samples = find("gossip").samples(Random(3))
    one, other = Mutants(samples, 3), Mutants(samples, 3)

    assert [one.next() for _ in range(50)] == [other.next() for _ in range(50)]


def test_no_two_jobs_of_a_target_have_one_seed() -> None:
    made = jobs("records", 50_000, seed=9)

    assert [job.frames for job in made] == [20_000, 20_000, 10_000]
    assert len({job.seed for job in made}) == 3
