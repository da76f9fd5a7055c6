"""The canonical form: what it is, what is refused, and that two readers agree on both."""

import tracemalloc
import unicodedata
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commonfab.protocol import encoding
from commonfab.protocol.errors import Malformed
from commonfab.protocol.limits import DEPTH_MAX, ITEMS_MAX, KIB, MAP_KEYS_MAX, MIB, TEXT_BYTES_MAX
from tests import vectors
from tests.fuzz.canonical import compare, judge
from tests.protocol import scanner
from tests.protocol.vectors_encoding import join, plain

CASES = vectors.load("encoding")
ACCEPTED = [case for case in CASES if case["verdict"] == "accept"]
REFUSED = [case for case in CASES if case["verdict"] == "refuse"]

REASONS = {
    "ENCODING-1": "outermost|not msgpack: .*(truncated|trailing)",
    "ENCODING-2": "has no place in a record|invalid opcode|not msgpack: .*truncated",
    "ENCODING-3": "not plain ASCII|out of order or empty|given twice|keys must be hashable",
    "ENCODING-4": "not the shortest form",
    "ENCODING-5": "not the shortest form",
    "ENCODING-6": "codec can't decode|normal form C|control characters",
    "ENCODING-7": "nested more than|values|limit is|over 4096 bytes|recursion|truncated",
}

characters = st.characters(exclude_categories=["Cc", "Cs"])
texts = st.text(characters, max_size=12).map(encoding.plain_text)
keys = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), min_size=1, max_size=34)
integers = st.integers(encoding.INTEGER_MIN, encoding.INTEGER_MAX)
scalars = integers | st.booleans() | texts | st.binary(max_size=300)


def containers(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.lists(inner, max_size=18) | st.dictionaries(keys, inner, max_size=4)


values = st.recursive(scalars, containers, max_leaves=12)
bodies = st.dictionaries(keys, values, max_size=4)


def data_of(case: vectors.Case) -> bytes:
    if "hex" in case:
        return bytes.fromhex(case["hex"])
    return join(case["pieces"])


def name_of(case: vectors.Case) -> str:
    name: str = case["name"]
    return name


@pytest.mark.rule("ENCODING-9")
@pytest.mark.parametrize("case", ACCEPTED, ids=name_of)
def test_a_canonical_body_is_accepted_by_both_readers(case: vectors.Case) -> None:
    data = data_of(case)

    value = encoding.decode(data)

    assert scanner.scan(data) == value
    assert encoding.encode(value) == data
    assert plain(value) == case.get("value", plain(value))


@pytest.mark.rule("ENCODING-1")
@pytest.mark.rule("ENCODING-2")
@pytest.mark.rule("ENCODING-3")
@pytest.mark.rule("ENCODING-4")
@pytest.mark.rule("ENCODING-5")
@pytest.mark.rule("ENCODING-6")
@pytest.mark.rule("ENCODING-7")
@pytest.mark.parametrize("case", REFUSED, ids=name_of)
def test_a_bad_form_is_refused_by_both_readers_with_its_reason(case: vectors.Case) -> None:
    data = data_of(case)

    with pytest.raises(scanner.Refused):
        scanner.scan(data)
    with pytest.raises(Malformed, match=REASONS[case["rule"]]):
        encoding.decode(data)


@pytest.mark.parametrize("case", REFUSED, ids=name_of)
def test_the_byte_reader_names_the_rule_of_the_vector(case: vectors.Case) -> None:
    with pytest.raises(scanner.Refused) as refusal:
        scanner.scan(data_of(case))

    # A body that ends early may be refused for the bound that its claim breaks.
    claims = "not there" in case["name"] or "each claim" in case["name"]
    assert str(refusal.value) == case["rule"] or (claims and "ENCODING-7" in str(refusal.value))


@given(bodies)
def test_what_is_written_is_read_back_as_it_was(value: dict[str, encoding.Value]) -> None:
    data = encoding.encode(value)

    assert encoding.decode(data) == value
    assert scanner.scan(data) == value


@given(bodies, st.randoms(use_true_random=False))
def test_the_order_in_which_a_map_was_filled_makes_no_difference(
    value: dict[str, encoding.Value], random: Any
) -> None:
    shuffled = list(value.items())
    random.shuffle(shuffled)

    assert encoding.encode(dict(shuffled)) == encoding.encode(value)


@given(st.binary(max_size=64))
def test_the_two_readers_agree_on_any_bytes(data: bytes) -> None:
    judge(data)
    judge(b"\x81\xa1a" + data)


@given(bodies, st.data())
def test_the_two_readers_agree_on_a_body_with_a_changed_piece(
    value: dict[str, encoding.Value], draw: st.DataObject
) -> None:
    data = encoding.encode(value)
    start = draw.draw(st.integers(0, len(data)))
    end = draw.draw(st.integers(start, min(len(data), start + 4)))

    judge(data[:start] + draw.draw(st.binary(max_size=4)) + data[end:])


def test_the_two_readers_agree_on_twenty_thousand_mutants() -> None:
    seen = compare(runs=20_000, seed=20_261_121)

    assert set(seen) == {"accepted", *REASONS}, "the mutants no longer try every rule"


@pytest.mark.rule("ENCODING-8")
@pytest.mark.parametrize(
    "head", ["dfffffffff", "81a161ddffffffff", "81a161dbffffffff", "81a161c6ffffffff"]
)
def test_a_claim_of_four_gibibytes_takes_no_memory(head: str) -> None:
    assert peak_of(bytes.fromhex(head)) < 8 * KIB


@pytest.mark.rule("ENCODING-8")
@pytest.mark.parametrize("claim", [b"\xdc\xf0\x00", b"\xdc\x0f\xff", b"\x9f"])
@pytest.mark.parametrize("levels", [17, 500, 20_000])
def test_nested_claims_take_little_memory(claim: bytes, levels: int) -> None:
    body = (b"\x81\xa1a" + claim * levels)[:4_000]

    assert peak_of(body + bytes(60_000)) < MIB


def peak_of(data: bytes) -> int:
    """Return how many bytes were allocated at once while `data` was refused."""
    tracemalloc.start()
    try:
        with pytest.raises(Malformed):
            encoding.decode(data)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_reading_does_not_depend_on_how_deep_the_caller_is() -> None:
    def call(levels: int) -> object:
        return call(levels - 1) if levels else encoding.decode(join([("81a161", 15), ("80", 1)]))

    assert call(800) == call(1)


@pytest.mark.rule("ENCODING-10")
@pytest.mark.parametrize(
    "value",
    [
        *(1.5, None, float("nan"), 2**64, -(2**63) - 1, object, {1: 2}, {1: 2, "a": 1}, {"": 1}),
        *({"é": 1}, "\ud800", "e\u0301", "a\nb", "\u202e", "x" * (TEXT_BYTES_MAX + 1), {1, 2}),
        *([1] * ITEMS_MAX, {f"{key:03}": key for key in range(MAP_KEYS_MAX + 1)}, bytes(70_000)),
    ],
    ids=lambda value: ascii(value)[:24],
)
def test_a_value_without_a_canonical_form_is_not_written(value: Any) -> None:
    with pytest.raises(Malformed):
        encoding.encode({"a": value})


@pytest.mark.rule("ENCODING-10")
def test_a_value_that_contains_itself_is_not_written() -> None:
    loop: list[Any] = []
    loop.append(loop)

    with pytest.raises(Malformed):
        encoding.encode({"a": loop})


@pytest.mark.rule("ENCODING-7")
@pytest.mark.parametrize("extra", [0, 1])
def test_depth_counts_every_container_from_the_outermost_map(extra: int) -> None:
    value: Any = 1
    for _ in range(DEPTH_MAX - 1 + extra):
        value = [value]

    if extra:
        with pytest.raises(Malformed, match="nested more than 16 deep"):
            encoding.encode({"a": value})
    else:
        assert encoding.decode(encoding.encode({"a": value})) == {"a": value}


def test_a_reason_does_not_repeat_a_long_key() -> None:
    with pytest.raises(Malformed) as refusal:
        encoding.decode(b"\x82\xda\x10\x00" + b"b" * 4096 + b"\x01\xa1a\x02")

    assert len(str(refusal.value)) < 100


@given(st.text(max_size=60))
def test_any_text_can_be_made_plain_for_a_record(text: str) -> None:
    plain_text = encoding.plain_text(text)

    encoding.check_text(plain_text)
    assert encoding.plain_text(plain_text) == plain_text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("  two\n lines\t", "two lines"),
        ("e\u0301", "é"),
        ("e\u200e\u0301", "é"),
        ("a\u202eb\x00c\ud800d", "abcd"),
        ("Kugellager 608ZZ", "Kugellager 608ZZ"),
    ],
)
def test_plain_text_joins_lines_and_accents_and_drops_what_is_not_seen(
    text: str, expected: str
) -> None:
    assert encoding.plain_text(text) == expected


def test_text_that_was_checked_is_in_normal_form_c() -> None:
    with pytest.raises(Malformed, match="normal form C"):
        encoding.check_text(unicodedata.normalize("NFD", "Werkstätte"))


def test_half_a_surrogate_pair_is_refused_before_it_is_measured() -> None:
    with pytest.raises(Malformed, match="control characters"):
        encoding.check_text("\ud800")
