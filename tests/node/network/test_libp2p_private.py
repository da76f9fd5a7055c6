"""Private networks: who has the key speaks as ever, who has not hears nothing and is told why."""

import logging

import pytest
import trio
from nacl.bindings import crypto_secretbox

from commonfab.node.network.libp2p_private import NONCE_BYTES, NotOfThisNetwork, Veil, hsalsa20
from commonfab.node.network.libp2p_transport import Libp2pTransport
from commonfab.node.network.relaying import RelayMode
from commonfab.node.network.transport import opened
from commonfab.protocol.errors import ResourceError
from commonfab.protocol.peer_id import peer_text
from tests.node.network.libp2p_peers import (
    ALICE_SEED,
    BOB_SEED,
    CAROL_SEED,
    ECHO,
    HERE,
    dialled,
    echo,
    is_well,
)
from tests.node.network.test_libp2p_relay import until

KEY, OTHER_KEY = b"k" * 32, b"o" * 32
FIRST_LINE = b"\x13/multistream/1.0.0\n"


def a_member(
    seed: bytes, key: bytes | None, *, listen: tuple[str, ...] = (HERE,), helps: bool = False
) -> Libp2pTransport:
    relay: RelayMode = "on" if helps else "auto"
    node = Libp2pTransport(seed, list(listen), mdns=False, psk=key, relay=relay)
    node.events()
    node.serve(ECHO, echo)
    return node


def test_hsalsa20_is_that_of_its_author() -> None:
    # The second step of the first example in "Cryptography in NaCl" (D. J. Bernstein).
    shared = bytes.fromhex("4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742")
    first = "1b27556473e985d462cd51197a9a46c76009549eac6474f206c4ee0844f68389"

    assert hsalsa20(shared, bytes(16)).hex() == first


def test_the_stream_is_the_one_that_libsodium_has() -> None:
    hidden = Veil(KEY).hide(bytes(132))
    nonce, stream = hidden[:NONCE_BYTES], hidden[NONCE_BYTES:]

    # A secret box begins to encrypt after 32 bytes of the stream, and has 16 of its own.
    assert crypto_secretbox(bytes(100), nonce, KEY)[16:] == stream[32:]


def test_what_one_hides_the_other_shows_however_it_is_cut() -> None:
    alice, bob = Veil(KEY), Veil(KEY)
    hidden = alice.hide(FIRST_LINE) + alice.hide(b"and more")

    shown = b"".join(bob.show(hidden[at : at + 1]) for at in range(len(hidden)))

    assert shown == FIRST_LINE + b"and more"


@pytest.mark.parametrize(
    "data",
    [bytes(100), FIRST_LINE, Veil(OTHER_KEY).hide(FIRST_LINE)],
    ids=["zeros", "a first line", "by another key"],
)
def test_what_was_hidden_with_no_key_or_another_is_seen_at_once(data: bytes) -> None:
    with pytest.raises(NotOfThisNetwork):
        Veil(KEY).show(data)


async def test_those_who_have_the_key_speak(nursery: trio.Nursery) -> None:
    alice, bob = a_member(ALICE_SEED, KEY), a_member(BOB_SEED, KEY)
    for node in (alice, bob):
        await nursery.start(node.run)

    await alice.connect(bob.addresses()[0])

    async with opened(alice, bob.me, ECHO) as stream:
        await stream.write(b"x" * 100_000)
        assert await stream.read(1) == b"x"


@pytest.mark.parametrize("key", [None, OTHER_KEY], ids=["no key", "another key"])
async def test_who_has_not_the_key_does_not_get_in_and_the_log_says_so(
    key: bytes | None, nursery: trio.Nursery, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="commonfab")
    alice, bob = a_member(ALICE_SEED, key), a_member(BOB_SEED, KEY)
    for node in (alice, bob):
        await nursery.start(node.run)

    with pytest.raises(ResourceError, match="private network"):
        await alice.connect(bob.addresses()[0])

    assert bob.links() == []
    await until(lambda: "not_of_this_network" in caplog.text)


async def test_who_dials_out_of_a_private_network_is_told_why_nobody_answers(
    nursery: trio.Nursery,
) -> None:
    alice, bob = a_member(ALICE_SEED, KEY), a_member(BOB_SEED, None)
    for node in (alice, bob):
        await nursery.start(node.run)

    with pytest.raises(ResourceError, match="of this private network"):
        await alice.connect(bob.addresses()[0])

    assert await is_well(bob)


async def test_a_relay_of_a_private_network_carries_for_its_members(nursery: trio.Nursery) -> None:
    carol = a_member(CAROL_SEED, KEY, helps=True)
    alice, bob = (a_member(seed, KEY, listen=()) for seed in (ALICE_SEED, BOB_SEED))
    for node in (alice, bob, carol):
        await nursery.start(node.run)
    await bob.connect(carol.addresses()[0])
    await until(lambda: bob.addresses())

    await alice.connect(f"{carol.addresses()[0]}/p2p-circuit/p2p/{peer_text(bob.me)}")

    async with opened(alice, bob.me, ECHO) as stream:
        await stream.write(b"hello")
        assert await stream.read(100) == b"hello"


async def test_noise_at_the_door_of_a_private_network_is_only_noise(nursery: trio.Nursery) -> None:
    bob = a_member(BOB_SEED, KEY)
    await nursery.start(bob.run)
    async with dialled(bob.addresses()[0]) as stream:
        await stream.send_all(bytes(2000))
        while await stream.receive_some():
            pass

    alice = a_member(ALICE_SEED, KEY)
    await nursery.start(alice.run)
    assert await alice.connect(bob.addresses()[0]) == bob.me
