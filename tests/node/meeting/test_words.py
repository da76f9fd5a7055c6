"""Codes as words: what is spelled reads back, and a wrong word is named with the right one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commonfab.node.meeting import words
from commonfab.protocol.errors import UsageError
from commonfab.protocol.meeting.pairing import CODE_BYTES, CODE_WORDS
from tests.vectors import load

codes = st.binary(min_size=CODE_BYTES, max_size=CODE_BYTES).map(words.from_chance)


@given(codes)
def test_a_code_reads_back_from_its_words(code: bytes) -> None:
    spelled = words.spell(code)

    assert len(spelled.split()) == CODE_WORDS
    assert words.read(spelled) == code


@given(codes)
def test_capitals_commas_and_four_letters_are_enough(code: bytes) -> None:
    spelled = words.spell(code)

    assert words.read(spelled.upper().replace(" ", ", ")) == code
    assert words.read("-".join(word[:4] for word in spelled.split())) == code


@pytest.mark.rule("PAIRING-1")
@pytest.mark.parametrize("case", [c for c in load("pairing") if c.get("words")])
def test_the_words_of_a_code_are_those_of_the_vectors(case: dict[str, str]) -> None:
    assert words.spell(bytes.fromhex(case["secret"])) == case["words"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("army van defense carry jealous", "a code has 6 words; here are 5"),
        ("", "here are 0"),
        ("army van defence carry jealous true", "word 3, defence, .* did you mean defense"),
        ("army van defense carry jelous true", "word 5, jelous, .* did you mean jealous"),
        ("army van defense carry jealous x", "word 6, x, is in no code"),
        ("army van defense carry jealous éé", "word 6"),
    ],
)
def test_a_mistake_is_told_with_what_was_meant(text: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        words.read(text)
