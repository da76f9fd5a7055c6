"""Profiles: by name, the ones that others use."""

import pytest

from commonfab.protocol.errors import UsageError
from commonfab.storage.unixfs.profiles import DEFAULT_PROFILE, PROFILES, profile_named
from tests.storage import unixfs_vectors


@pytest.mark.rule("UNIXFS-1")
def test_a_profile_cuts_as_the_vectors_say() -> None:
    vectors = unixfs_vectors.PROFILES

    assert {name: vectors[name] for name in PROFILES} == PROFILES
    assert profile_named(DEFAULT_PROFILE) == vectors["unixfs-v1-2025"]


def test_an_unknown_profile_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(UsageError, match="'kubo'; there are unixfs-v0-2015, unixfs-v1-2025, kubo"):
        profile_named("kubo")
