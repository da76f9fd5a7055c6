"""The hashes of blocks, held to what their makers publish."""

import pytest

from commonfab.protocol.multihash import HASHES, SHA2_256, Hash, hash_of

# FIPS 180-4 and RFC 7693 state the digest of "abc"; BLAKE2b-256 and BLAKE3 as b2sum and b3sum do.
OF_ABC = {
    "sha2-256": "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
    "sha2-512": "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
    "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
    "blake3": "6437b3ac38465133ffb63b75273a8db548c558465d79db03fd359c6cd5bd9d85",
    "blake2b-256": "bddd813c634239723171ef3fee98579b94964e3bb1cb3e427262c8c068d52319",
}


@pytest.mark.parametrize("known", HASHES, ids=lambda known: known.name)
def test_a_hash_gives_the_digest_that_is_published(known: Hash) -> None:
    digest = known.digest(b"abc")

    assert digest.hex() == OF_ABC[known.name]
    assert len(digest) == known.digest_bytes
    assert hash_of(known.prefix + digest) is known


def test_a_multihash_of_another_length_or_an_unknown_hash_is_of_none() -> None:
    assert hash_of(SHA2_256.prefix + bytes(31)) is None
    assert hash_of(SHA2_256.prefix + bytes(33)) is None
    assert hash_of(b"\x11\x14" + bytes(20)) is None
    assert hash_of(b"\x00\x01a") is None
    assert hash_of(b"") is None
