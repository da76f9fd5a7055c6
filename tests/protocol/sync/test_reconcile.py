"""Comparing: fingerprints, salts and short ids."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commonfab.protocol.sync import reconcile
from commonfab.protocol.sync.index import END, Index, id_of, key_of, number
from tests import vectors

SALT = bytes(range(32))
keys = st.sets(st.integers(0, 50).map(lambda n: key_of(n, bytes([n]) * 32)), max_size=30)


@pytest.mark.rule("SYNC-3")
@pytest.mark.rule("SYNC-4")
@pytest.mark.rule("SYNC-8")
@pytest.mark.parametrize("case", vectors.load("sync"), ids=lambda case: case["about"])
def test_the_vectors_are_what_the_code_says(case: vectors.Case) -> None:
    index = Index(bytes.fromhex(key) for key in case["keys"])
    salt = bytes.fromhex(case["leader_salt"] + case["follower_salt"])
    total = index.before(END)

    assert total[1].to_bytes(128, "big").hex() == case["sum"]
    assert reconcile.digest(total).hex() == case["digest"]
    assert reconcile.promise(salt[:16]).hex() == case["promise"]
    assert reconcile.fingerprint(salt, total).hex() == case["fingerprint"]
    shorts = reconcile.short_ids(salt, map(id_of, index.keys(b"", END)))
    assert [short.hex() for short in shorts] == case["short_ids"]


@pytest.mark.rule("SYNC-3")
@given(keys, keys)
def test_fingerprints_are_equal_where_the_sets_are(mine: set[bytes], theirs: set[bytes]) -> None:
    here, there = Index(mine), Index(theirs)

    same = reconcile.fingerprints(SALT, here, [b"", END]) == reconcile.fingerprints(
        SALT, there, [b"", END]
    )

    assert same == (mine == theirs)
    assert (reconcile.digest(here.before(END)) == reconcile.digest(there.before(END))) == same


@pytest.mark.rule("SYNC-3")
def test_a_set_that_cancels_out_under_xor_has_a_fingerprint_of_its_own() -> None:
    # Any 257 vectors of 256 bits have a subset whose XOR is zero; here the ids do it at once.
    ids = [bytes([n]) * 32 for n in (1, 2, 3)]
    assert bytes(one ^ two ^ three for one, two, three in zip(*ids, strict=True)) == bytes(32)

    some = Index(key_of(1, identifier) for identifier in ids)
    none = Index()

    assert sum(number(key_of(1, identifier)) for identifier in ids) != 0
    assert reconcile.fingerprint(SALT, some.before(END)) != reconcile.EMPTY
    assert reconcile.fingerprint(SALT, none.before(END)) == reconcile.EMPTY


@pytest.mark.rule("SYNC-4")
def test_all_that_is_compared_changes_with_either_side_s_salt() -> None:
    index = Index([key_of(1, bytes(32))])
    salts = [SALT, b"x" + SALT[1:], SALT[:-1] + b"x"]

    prints = {reconcile.fingerprint(salt, index.before(END)) for salt in salts}
    shorts = {reconcile.short_ids(salt, [bytes(32)])[0] for salt in salts}

    assert len(prints) == len(shorts) == 3


@pytest.mark.rule("SYNC-8")
@given(keys, keys)
def test_what_is_missing_on_either_side_is_found(mine: set[bytes], theirs: set[bytes]) -> None:
    listed = sorted(theirs)
    shorts = reconcile.short_ids(SALT, map(id_of, listed))

    wanted, lacking = reconcile.compare(SALT, sorted(mine), shorts)

    assert {listed[place] for place in wanted} == theirs - mine
    assert set(lacking) == mine - theirs


@pytest.mark.rule("SYNC-8")
def test_equal_short_ids_of_unequal_number_count_as_missing() -> None:
    key = key_of(1, bytes(32))
    (short,) = reconcile.short_ids(SALT, [bytes(32)])

    assert reconcile.compare(SALT, [key], [short, short]) == ([0, 1], [])
    assert reconcile.compare(SALT, [key, key], [short]) == ([], [key, key])
    assert reconcile.compare(SALT, [key], [short]) == ([], [])


def test_ranges_are_cut_into_few_enough_parts_to_reach_the_smallest_in_three_steps() -> None:
    for size, steps_most in ((100_000, 3), (1_000_000, 4)):
        steps, count = 0, size
        while count > reconcile.ASKED_KEYS_MAX:
            assert reconcile.parts_of(count) <= 64
            count //= reconcile.parts_of(count)
            steps += 1
        assert steps <= steps_most
