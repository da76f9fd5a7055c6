"""Asks a server over HTTP who provides a block: IPFS's Delegated Routing, `/routing/v1`.

Only servers in the configuration are asked, by https or on this computer. What comes back is
a stranger's word: bounded in bytes, lines, peers and time, and of the addresses only those are
kept that the transport can dial and that the server may name (addresses.py).
"""

from collections.abc import Iterator
from ipaddress import ip_address
from itertools import islice
from typing import Any
from urllib.parse import urlsplit

import msgspec
import trio
from msgspec import Struct

from commonfab.protocol.errors import PeerError, ResourceError, UsageError
from commonfab.protocol.ids import NodeId
from commonfab.protocol.limits import KIB, MIB
from commonfab.protocol.peer_id import parse_peer
from commonfab.storage.cid import CID

from .addresses import Provider, Reach, believed

_ANSWER_S = 10.0
"""For a whole answer; of one in lines, those that came until then count."""
_ANSWER_BYTES_MAX = MIB
_LINE_BYTES_MAX = 64 * KIB
PROVIDERS_MAX = 32
"""Providers that are taken from one answer; it is not read beyond them."""
_LINES_MAX = 512
"""Lines or entries looked at: some may be of other protocols and keys."""
_LINES, _WHOLE = "application/x-ndjson", "application/json"
_ACCEPT = f"{_LINES}, {_WHOLE};q=0.9"
_SCHEMAS = ("peer", "bitswap")
_NOTHING_KNOWN = 404
_OK = 200


class _Entry(Struct, rename="pascal"):
    schema: str = ""
    id: str = msgspec.field(default="", name="ID")
    addrs: list[str] | None = None


class _Answer(Struct, rename="pascal"):
    providers: list[msgspec.Raw] | None = None


def check_endpoint(endpoint: str) -> None:
    """Raise `UsageError` unless it is one that may be asked."""
    try:
        parts = urlsplit(endpoint)
        _ = parts.port
    except ValueError as error:
        raise UsageError(f"{endpoint!r:.120} is not a URL: {error}") from error
    is_plain = not (parts.query or parts.fragment or parts.username or parts.password)
    is_safe = parts.scheme == "https" or (
        parts.scheme == "http" and _reach(parts.hostname) is Reach.COMPUTER
    )
    if not (parts.hostname and is_plain and is_safe):
        raise UsageError(
            f"{endpoint!r:.120} is not a routing server; one looks like https://example.org, or "
            f"http://127.0.0.1:8080 on this computer"
        )


def _reach(host: str | None) -> Reach:
    """Return from where a server speaks. One with a name is taken for a stranger."""
    if host == "localhost":
        return Reach.COMPUTER
    try:
        ip = ip_address(host or "")
    except ValueError:
        return Reach.INTERNET
    if ip.is_loopback:
        return Reach.COMPUTER
    return Reach.INTERNET if ip.is_global else Reach.NEIGHBOURHOOD


async def providers(endpoint: str, root: CID) -> list[Provider]:
    """Return who provides a block, as one server says.

    Raises `ResourceError` if it cannot be reached or knows no such question, `PeerError` for
    an answer that is none.
    """
    check_endpoint(endpoint)
    question = _Question(endpoint, root)
    # A limiter of its own: a thread that is left behind takes no other's place.
    mine = trio.CapacityLimiter(1)
    with trio.move_on_after(_ANSWER_S) as in_time:
        await trio.to_thread.run_sync(question.ask, abandon_on_cancel=True, limiter=mine)
    question.is_over = True
    if in_time.cancelled_caught and not question.found:
        raise ResourceError(f"{endpoint}: no answer within {_ANSWER_S:.0f} s")
    return list(question.found.values())


class _Question:
    """One question to one server, asked in a thread: httpx leaves its asynchronous streams
    open where an answer is not read to its end.
    """

    def __init__(self, endpoint: str, root: CID) -> None:
        self.found: dict[NodeId, Provider] = {}
        self.is_over = False
        """Nobody waits any more: the thread ends with the next bytes that come."""
        self._endpoint = endpoint
        self._told_from = _reach(urlsplit(endpoint).hostname)
        self._url = f"{endpoint.rstrip('/')}/routing/v1/providers/{root}"

    def ask(self) -> None:
        import httpx  # Late: few nodes ask a server.

        headers = {"Accept": _ACCEPT, "Accept-Encoding": "identity"}
        client = httpx.Client(follow_redirects=False, trust_env=False, timeout=_ANSWER_S)
        try:
            with client, client.stream("GET", self._url, headers=headers) as answer:
                if answer.status_code == _OK:
                    kind = answer.headers.get("content-type", "").partition(";")[0]
                    self._read(kind.strip().lower(), answer.iter_raw())
                elif answer.status_code != _NOTHING_KNOWN:
                    raise ResourceError(f"{self._endpoint}: it answers {answer.status_code}")
        except httpx.HTTPError as error:
            why = str(error) or type(error).__name__
            raise ResourceError(f"{self._endpoint}: {why}") from error

    def _read(self, kind: str, parts: Iterator[bytes]) -> None:
        if kind not in (_LINES, _WHOLE):
            raise PeerError(
                f"{self._endpoint}: it answers {kind or 'nothing'!r:.60}, not JSON; "
                f"is it a routing server?"
            )
        parts = self._bounded(parts)
        entries = self._lines(parts) if kind == _LINES else self._entries(b"".join(parts))
        for entry in islice(entries, _LINES_MAX):
            provider = _provider(entry, self._told_from)
            if provider is not None:
                self.found.setdefault(provider.peer, provider)
            if len(self.found) >= PROVIDERS_MAX or self.is_over:
                return

    def _bounded(self, parts: Iterator[bytes]) -> Iterator[bytes]:
        size = 0
        for part in parts:
            size += len(part)
            if size > _ANSWER_BYTES_MAX:
                raise PeerError(f"{self._endpoint}: its answer is over {_ANSWER_BYTES_MAX} bytes")
            if self.is_over:
                return
            yield part

    def _lines(self, parts: Iterator[bytes]) -> Iterator[bytes]:
        rest = b""
        for part in parts:
            *lines, rest = (rest + part).split(b"\n")
            yield from filter(None, map(bytes.strip, lines))
            if len(rest) > _LINE_BYTES_MAX:
                raise PeerError(f"{self._endpoint}: a line of over {_LINE_BYTES_MAX} bytes")
        if rest.strip():
            yield rest

    def _entries(self, data: bytes) -> Iterator[bytes]:
        try:
            answer = msgspec.json.decode(data, type=_Answer)
        except (msgspec.DecodeError, RecursionError) as error:
            raise PeerError(f"{self._endpoint}: its answer is not one: {error}") from error
        yield from map(bytes, answer.providers or [])


def _provider(data: bytes, told_from: Reach) -> Provider | None:
    """Return the provider in an entry; None for one of another schema, key or transport."""
    try:
        entry: Any = msgspec.json.decode(data, type=_Entry)
        peer = parse_peer(entry.id)
    except (msgspec.DecodeError, RecursionError, UsageError):
        return None
    addresses = believed(peer, entry.addrs or (), told_from)
    return Provider(peer, addresses) if entry.schema in _SCHEMAS else None
