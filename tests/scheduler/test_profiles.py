"""Weights by name, and those that a node adds."""

import pytest

from commonfab.protocol.errors import UsageError
from commonfab.scheduler.profiles import BUILT_IN, Profiles
from commonfab.scheduler.weights import Weights
from tests.scheduler.test_factors import rows


def test_the_usual_profile_is_the_default_until_the_settings_change_it() -> None:
    assert Profiles().weights("") == Profiles().weights("mine") == Weights()
    changed = Profiles("CHF", {"mine": {"trust_floor": 0.3}})
    assert changed.weights("") == Weights(currency="CHF", trust_floor=0.3)


def test_each_profile_counts_more_of_what_it_is_called_after() -> None:
    usual, profiles = Weights(), Profiles()

    assert profiles.weights("cheap").waiting_minor_per_hour < usual.waiting_minor_per_hour
    assert profiles.weights("fast").waiting_minor_per_hour > usual.waiting_minor_per_hour
    assert profiles.weights("near").transport_minor_per_km > usual.transport_minor_per_km
    assert profiles.weights("green").carbon_minor_per_kg > usual.carbon_minor_per_kg


def test_a_community_may_add_its_own_and_change_a_built_in_one() -> None:
    own = Profiles(own={"neighbours": {"distance_max_km": 50}, "near": {"carbon_minor_per_kg": 99}})

    assert own.weights("neighbours") == Weights(distance_max_km=50)
    near = own.weights("near")
    assert near == Weights(transport_minor_per_km=20, carbon_minor_per_kg=99)
    assert own.names() == [*BUILT_IN, "neighbours"]


def test_a_profile_or_weight_that_there_is_not_is_refused_with_those_there_are() -> None:
    with pytest.raises(UsageError, match="quick: no such profile; there are cheap, fast, near"):
        Profiles().weights("quick")
    with pytest.raises(UsageError, match="tust_floor: no such weight; there are transport_minor"):
        Profiles(own={"mine": {"tust_floor": 1}}).weights("mine")
    with pytest.raises(UsageError, match="currency: no such weight"):
        Profiles(own={"mine": {"currency": 1}}).weights("mine")


def test_each_profile_stands_in_the_spec_with_what_it_changes() -> None:
    assert {name: row[0] for name, row in rows("Profile").items()} == {
        name: ", ".join(f"`{weight}` {value:.10g}" for weight, value in changes.items())
        or "nothing"
        for name, changes in BUILT_IN.items()
    }
