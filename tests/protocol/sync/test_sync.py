"""The exchange of what is missing between two honest sides: they agree, and at what price."""

from collections.abc import Iterable

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from commonfab.protocol.limits import ENVELOPE_BYTES_MAX, SYNC_MESSAGE_BYTES_MAX
from commonfab.protocol.sync import reconcile
from commonfab.protocol.sync.sync import BATCH_BYTES_MAX, TOLD_BYTES_MAX
from commonfab.protocol.sync.sync_wire import Ask, Differs, Hello, Same, Swap, Swapped, Told, encode
from tests.protocol.sync_talk import FOREVER, Shelf, Talk, identify, thing

numbers = st.sets(st.integers(0, 400), max_size=300)


@pytest.mark.rule("SYNC-5")
@pytest.mark.parametrize("size", [0, 1, 3000])
def test_two_equal_sets_are_found_equal_by_two_short_messages(size: int) -> None:
    talk = Talk(Shelf(range(size)), Shelf(range(size)))

    assert [type(message) for message in talk.said] == [Hello, Same]
    assert talk.bytes_of(Hello, Same) < 150
    assert talk.leader.is_complete


@pytest.mark.rule("SYNC-14")
@given(numbers, numbers)
@example(set(), set(range(300)))
@example(set(range(300)), set())
@example(set(range(0, 400, 2)), set(range(1, 400, 2)))
def test_any_two_sets_are_equal_after_one_session(mine: set[int], theirs: set[int]) -> None:
    here, there = Shelf(mine), Shelf(theirs)

    talk = Talk(here, there)

    assert here.numbers() == there.numbers() == sorted(mine | theirs)
    assert talk.leader.is_complete
    assert (talk.leader.wanted, talk.leader.given) == (len(theirs - mine), len(mine - theirs))


@pytest.mark.rule("SYNC-14")
@pytest.mark.parametrize(
    ("mine", "theirs"),
    [
        (range(0), range(20_000)),
        (range(20_000), range(0)),
        (range(10_000), range(10_000, 20_000)),
        (range(0, 20_000, 2), range(1, 20_000, 2)),
        (range(20_000), range(19_000)),
        (range(3), range(20_000)),
    ],
)
def test_large_sets_are_equal_after_one_session(mine: range, theirs: range) -> None:
    here, there = Shelf(mine), Shelf(theirs)

    talk = Talk(here, there)

    assert here.numbers() == there.numbers()
    assert max(len(encode(message)) for message in talk.said) < SYNC_MESSAGE_BYTES_MAX


@pytest.mark.rule("SYNC-14")
@given(numbers, numbers, st.integers(0, 12))
def test_a_session_cut_at_any_message_loses_nothing_and_the_next_finds_the_rest(
    mine: set[int], theirs: set[int], cut_after: int
) -> None:
    here, there = Shelf(mine), Shelf(theirs)

    Talk(here, there, cut_after=cut_after)

    assert mine <= set(here.numbers()) <= mine | theirs
    assert theirs <= set(there.numbers()) <= mine | theirs
    Talk(there, here)
    assert here.numbers() == there.numbers() == sorted(mine | theirs)


@pytest.mark.rule("SYNC-14")
def test_what_came_before_a_cut_does_not_travel_again() -> None:
    size = 20_000
    here, there = Shelf(), Shelf(range(size))
    Talk(here, there, cut_after=12)
    came = len(here.things)
    assert 0 < came < size

    talk = Talk(here, there)

    assert talk.leader.wanted == size - came


@pytest.mark.rule("SYNC-14")
def test_only_the_difference_travels() -> None:
    size, missing = 20_000, 200
    recent = range(size - missing)
    scattered = sorted(set(range(size)) - set(range(0, size, size // missing)))

    for there, bytes_most in ((recent, 4_000), (scattered, 80_000)):
        talk = Talk(Shelf(range(size)), Shelf(there))

        assert talk.leader.given == missing
        assert talk.count(Hello, Ask) <= 3
        assert talk.bytes_of(Hello, Differs, Ask, Told) < bytes_most


@pytest.mark.rule("SYNC-8")
def test_short_ids_that_collide_in_one_session_are_told_apart_in_another(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def two_bits(salt: bytes, ids: Iterable[bytes]) -> list[bytes]:
        return [bytes(7) + bytes([short[0] & 3]) for short in short_ids(salt, ids)]

    short_ids = reconcile.short_ids
    monkeypatch.setattr(reconcile, "short_ids", two_bits)
    here, there = Shelf([1, 2, 3, 4, 5]), Shelf([3, 4, 5, 6, 7])

    sessions = 0
    while here.numbers() != there.numbers():
        sessions += 1
        assert sessions < 100
        Talk(here, there, salts=(bytes([sessions]) * 16, b"F" * 16))

    assert here.numbers() == [1, 2, 3, 4, 5, 6, 7]
    assert sessions > 1, "too easy: nothing collided"


@pytest.mark.rule("SYNC-13")
def test_one_record_that_is_not_believed_does_not_stop_the_others() -> None:
    here, there = Shelf(range(10)), Shelf(range(20, 30))
    there.refused, here.refused = {thing(3)}, {thing(25)}

    talk = Talk(here, there)

    assert set(range(30)) - set(here.numbers()) == {*range(10, 20), 25}
    assert set(range(30)) - set(there.numbers()) == {*range(10, 20), 3}
    assert talk.leader.declined == {identify(thing(3))}
    assert talk.leader.given == 9


@pytest.mark.rule("SYNC-13")
def test_what_was_not_believed_is_neither_asked_for_nor_given_again() -> None:
    here, there = Shelf(range(10)), Shelf(range(1, 11))
    here.refused, there.refused = {thing(10)}, {thing(0)}
    Talk(here, there)

    talk = Talk(here, there, unwanted=[identify(thing(10))], declined=[identify(thing(0))])

    assert talk.count(Swap, Swapped) == 0
    assert talk.leader.is_complete


@pytest.mark.rule("SYNC-9")
@given(st.sets(st.integers(0, 19)), st.sets(st.integers(20, 39)))
def test_records_that_go_while_they_are_asked_for_stop_nothing(
    gone_here: set[int], gone_there: set[int]
) -> None:
    here, there = Shelf(range(20)), Shelf(range(20, 40))
    here.gone = {identify(thing(number)) for number in gone_here}
    there.gone = {identify(thing(number)) for number in gone_there}

    Talk(here, there)

    assert here.numbers() == sorted(set(range(40)) - gone_there)
    assert there.numbers() == sorted(set(range(40)) - gone_here)


@pytest.mark.rule("SYNC-9")
def test_messages_stay_below_their_bound_however_large_the_records() -> None:
    size = ENVELOPE_BYTES_MAX - 10
    here, there = Shelf(range(30), size), Shelf(range(30, 60), size)

    talk = Talk(here, there)

    assert here.numbers() == there.numbers()
    sizes = [len(encode(message)) for message in talk.said]
    assert max(sizes) < BATCH_BYTES_MAX + 10_000 < SYNC_MESSAGE_BYTES_MAX
    assert talk.count(Swap) >= 4


@pytest.mark.rule("SYNC-7")
def test_a_follower_with_much_to_tell_leaves_the_rest_for_the_next_question() -> None:
    here, there = Shelf(range(0, 80_000, 2)), Shelf(range(1, 80_000, 2))

    talk = Talk(here, there, cut_after=FOREVER)

    told = [len(encode(message)) for message in talk.said if isinstance(message, Told)]
    assert TOLD_BYTES_MAX * 0.9 < max(told) < TOLD_BYTES_MAX + 20_000
    assert here.numbers() == there.numbers()
