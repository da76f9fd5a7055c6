"""Two sides of a sync session over things that stand for records, message by message."""

from collections.abc import Iterable
from hashlib import sha256

from commonfab.protocol.ids import RecordId
from commonfab.protocol.sync.follower import Follower
from commonfab.protocol.sync.index import Index, key_of
from commonfab.protocol.sync.leader import Leader
from commonfab.protocol.sync.sync import Judge
from commonfab.protocol.sync.sync_wire import Message, decode, encode

LEADERS_SALT, FOLLOWERS_SALT = b"L" * 16, b"F" * 16
FOREVER = 10**9


class Shelf:
    """Things in the order of their numbers, of which some share a time."""

    def __init__(self, numbers: Iterable[int] = (), size: int = 0) -> None:
        self.things: dict[RecordId, bytes] = {}
        self.index = Index()
        self.refused: set[bytes] = set()
        """What is not believed here."""
        self.gone: set[RecordId] = set()
        """Still in the index, but not there any more."""
        self.index = Index(self._enter(thing(number, size)) for number in numbers)

    def get(self, identifier: RecordId) -> bytes | None:
        return None if identifier in self.gone else self.things.get(identifier)

    def take(self, sealed: bytes) -> bool:
        """Take a thing unless it is not believed; tell whether it is here now."""
        if sealed in self.refused:
            return False
        self.index.add(self._enter(sealed))
        return True

    def numbers(self) -> list[int]:
        return sorted(int(data.split()[0]) for data in self.things.values())

    def _enter(self, data: bytes) -> bytes:
        self.things[identify(data)] = data
        return key(data)


def thing(number: int, size: int = 0) -> bytes:
    return f"{number} ".encode() + b"." * size


def identify(data: bytes) -> RecordId:
    return RecordId(sha256(data).digest())


def key(data: bytes) -> bytes:
    # Ten of them were signed at one time.
    return key_of(1_795_000_000_000 + int(data.split()[0]) // 10, identify(data))


class Talk:
    """What was said in one session."""

    def __init__(
        self,
        here: Shelf,
        there: Shelf,
        *,
        salts: tuple[bytes, bytes] = (LEADERS_SALT, FOLLOWERS_SALT),
        cut_after: int = FOREVER,
        unwanted: Iterable[RecordId] = (),
        declined: Iterable[RecordId] = (),
    ) -> None:
        """Lead a session from `here`; cut it after so many messages."""
        self.said: list[Message] = []
        self.leader = Leader(here.index, here.get, salts[0], unwanted=unwanted, declined=declined)
        follower = Follower(there.index, there.get, salts[1])
        message: Message | None = self.leader.begin()
        while message is not None and self._carry(message, cut_after):
            answer = follower.hear(decode(encode(message)))
            if isinstance(answer, Judge):
                answer = follower.judged([there.take(data) for data in answer.sealed])
            if not self._carry(answer, cut_after):
                return
            step = self.leader.hear(decode(encode(answer)))
            if isinstance(step, Judge):
                for data in step.sealed:
                    here.take(data)
                step = self.leader.judged()
            message = step

    def _carry(self, message: Message, cut_after: int) -> bool:
        if len(self.said) >= cut_after:
            return False
        self.said.append(message)
        return True

    def count(self, *kinds: type[Message]) -> int:
        return sum(isinstance(message, kinds) for message in self.said)

    def bytes_of(self, *kinds: type[Message]) -> int:
        return sum(len(encode(message)) for message in self.said if isinstance(message, kinds))
