"""Lookups in the DHT: they find what is near, and end whatever they are told."""

import random

import pytest

from commonfab.protocol.ids import NodeId
from commonfab.protocol.links.kademlia import (
    ALPHA,
    ASKED_MAX,
    CANDIDATES_MAX,
    KEYS_MAX,
    PROVIDER_TERM_MS,
    PROVIDERS_PER_KEY_MAX,
    K,
    Lookup,
    Providers,
    Table,
    place_of,
    place_of_peer,
)
from commonfab.protocol.links.kademlia_wire import Contact
from commonfab.protocol.peer_id import peer_bytes

ME = NodeId(bytes(32))
KEY = b"\x12\x20" + bytes(32)


def peers(count: int, seed: int = 0) -> list[NodeId]:
    chance = random.Random(seed)
    return [NodeId(chance.randbytes(32)) for _ in range(count)]


def nearest(known: list[NodeId], key: bytes) -> list[NodeId]:
    return sorted(known, key=lambda peer: place_of(key) ^ place_of_peer(peer))[:K]


def contacts(known: list[NodeId]) -> list[Contact]:
    return [Contact(peer) for peer in known]


@pytest.mark.parametrize("seed", range(3))
def test_a_lookup_finds_the_nearest_of_a_network_in_which_each_knows_some(seed: int) -> None:
    everybody = peers(100, seed)
    chance = random.Random(seed)
    tables = {peer: Table(peer) for peer in everybody}
    for peer in everybody:
        for other in chance.sample(everybody, 60):
            if other != peer:
                tables[peer].met(Contact(other))
    lookup = Lookup(KEY, ME)
    lookup.hear_of(contacts(everybody[:1]))

    while asked := lookup.next_to_ask():
        assert len(asked) <= ALPHA
        for contact in asked:
            lookup.answered(contact.peer, tables[contact.peer].nearest(KEY))

    assert lookup.is_over
    assert [each.peer for each in lookup.nearest()] == nearest(everybody, KEY)
    assert lookup.asked <= ASKED_MAX


def test_a_lookup_goes_round_peers_that_fail() -> None:
    everybody = peers(40)
    lookup = Lookup(KEY, ME)
    lookup.hear_of(contacts(everybody))
    bad = set(nearest(everybody, KEY)[:10])

    while asked := lookup.next_to_ask():
        for contact in asked:
            if contact.peer in bad:
                lookup.failed(contact.peer)
            else:
                lookup.answered(contact.peer, [])

    good = [peer for peer in everybody if peer not in bad]
    assert [each.peer for each in lookup.nearest()] == nearest(good, KEY)


def test_a_lookup_ends_though_each_answer_names_twenty_that_are_new_and_nearer() -> None:
    crowd = sorted(peers(5000), key=lambda peer: -(place_of(KEY) ^ place_of_peer(peer)))
    lookup = Lookup(KEY, ME)
    lookup.hear_of(contacts(crowd[:1]))
    told = 1

    while asked := lookup.next_to_ask():
        for contact in asked:
            lookup.answered(contact.peer, contacts(crowd[told : told + 1000]))
            told += K

    assert lookup.is_over
    assert lookup.asked == ASKED_MAX
    assert told < len(crowd)


def test_a_lookup_remembers_the_nearest_of_those_it_hears_of_and_never_asks_itself() -> None:
    crowd = peers(CANDIDATES_MAX + 100)
    lookup = Lookup(KEY, ME)
    lookup.hear_of(contacts([ME, *crowd]))
    asked: list[NodeId] = []

    while batch := lookup.next_to_ask():
        asked += [contact.peer for contact in batch]
        for contact in batch:
            lookup.failed(contact.peer)

    assert asked == sorted(crowd, key=lambda peer: place_of(KEY) ^ place_of_peer(peer))[:ASKED_MAX]


def test_a_peer_that_is_put_back_is_asked_again() -> None:
    lookup = Lookup(KEY, ME)
    lookup.hear_of(contacts(peers(1)))
    (contact,) = lookup.next_to_ask()
    assert not lookup.next_to_ask()

    lookup.put_back(contact.peer)

    assert not lookup.is_over
    assert lookup.next_to_ask() == [contact]


def test_a_crowd_of_new_peers_does_not_push_out_those_that_are_known() -> None:
    table = Table(ME)
    first, *crowd = peers(4000)
    table.met(Contact(first))
    for peer in crowd:
        table.met(Contact(peer))

    assert first in table
    assert len(table) < 12 * K
    table.met(Contact(first, (b"new",)))
    assert Contact(first, (b"new",)) in table.nearest(peer_bytes(first))
    table.lost(first)
    assert first not in table


def test_a_provider_is_believed_for_two_days() -> None:
    providers = Providers()
    bob = Contact(peers(1)[0])
    providers.add(KEY, bob, now=0)

    assert providers.get(KEY, PROVIDER_TERM_MS - 1) == [bob]
    assert providers.get(KEY, PROVIDER_TERM_MS) == []


def test_providers_and_keys_are_bounded_and_the_oldest_go_first() -> None:
    providers = Providers()
    crowd = contacts(peers(PROVIDERS_PER_KEY_MAX + 1))
    for number, contact in enumerate(crowd):
        providers.add(KEY, contact, now=number)
    assert providers.get(KEY, 100) == crowd[:0:-1]

    for number in range(KEYS_MAX):
        providers.add(b"%d" % number, crowd[0], now=0)
    assert len(providers) == KEYS_MAX
    assert providers.get(KEY, 0) == []
