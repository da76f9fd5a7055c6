"""The people of the tests, each with a key that is the same in every run."""

from hashlib import sha256

from nacl.bindings import crypto_sign, crypto_sign_seed_keypair

from commonfab.protocol.ids import NodeId


class Person:
    """Someone with a key; an `envelope.Signer`."""

    def __init__(self, seed: bytes) -> None:
        self.seed = seed
        key, self._secret = crypto_sign_seed_keypair(seed)
        self.node = NodeId(key)

    def sign(self, text: bytes) -> bytes:
        return crypto_sign(text, self._secret)[:64]


def named(name: str) -> Person:
    return Person(sha256(name.encode()).digest())


ALICE = named("alice")
BOB = named("bob")
CAROL = named("carol")
EVE = named("eve")
