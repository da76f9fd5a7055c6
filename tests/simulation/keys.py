"""Who signs: real Ed25519 keys, or for most runs a keyed hash that costs a tenth of it."""

from collections.abc import Callable
from hashlib import blake2b, sha256

from commonfab.protocol.envelope import Envelope, Signer
from commonfab.protocol.errors import BadSignature
from commonfab.protocol.ids import NodeId, RecordId
from tests.protocol.signers import Person

_SIGNATURE_AT = slice(37, 101)


class Keys:
    """Makes signers, checks signatures, and remembers what was signed: the truth of a run."""

    def __init__(self, seed: int, *, real: bool) -> None:
        self._seed = seed
        self._real = real
        self._secrets: dict[NodeId, bytes] = {}
        self.signed: set[RecordId] = set()
        self.verify: Callable[[Envelope], None] = Envelope.verify if real else self._verify

    def signer(self, name: str) -> Signer:
        secret = sha256(f"{self._seed} {name}".encode()).digest()
        if self._real:
            return _Remembered(Person(secret), self.signed)
        node = NodeId(sha256(b"public" + secret).digest())
        self._secrets[node] = secret
        return _Remembered(_Quick(node, secret), self.signed)

    def _verify(self, sealed: Envelope) -> None:
        secret = self._secrets.get(sealed.author, b"")
        if not secret or _stand_in(sealed.id, secret) != sealed.data[_SIGNATURE_AT]:
            raise BadSignature(f"{sealed.kind} was not signed by its author")


class _Quick:
    """A stand-in for Ed25519 that only the run itself can check."""

    def __init__(self, node: NodeId, secret: bytes) -> None:
        self.node = node
        self._secret = secret

    def sign(self, text: bytes) -> bytes:
        return _stand_in(sha256(text).digest(), self._secret)


class _Remembered:
    """A signer that writes down the id of all that it signs."""

    def __init__(self, signer: Signer, signed: set[RecordId]) -> None:
        self.node = signer.node
        self._signer = signer
        self._signed = signed

    def sign(self, text: bytes) -> bytes:
        self._signed.add(RecordId(sha256(text).digest()))
        return self._signer.sign(text)


def _stand_in(identifier: bytes, secret: bytes) -> bytes:
    return blake2b(identifier, key=secret).digest()
