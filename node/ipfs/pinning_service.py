"""Asks a service on the internet to keep a copy: the IPFS Pinning Service API, version 1.

Only by https, or on this computer, for the token goes with each question. The token is read
from a file that nobody else can read, each time it is needed; it is neither kept nor logged.
Answers are a stranger's: bounded in bytes and time, and typed.
"""

import os
import stat
from functools import partial
from pathlib import Path
from threading import Event
from typing import Any, TypeVar
from urllib.parse import quote, urlsplit

import msgspec
import trio
from msgspec import Struct

from commonfab.protocol.encoding import plain_text
from commonfab.protocol.errors import PeerError, ResourceError, UsageError
from commonfab.protocol.limits import KIB, MIB
from commonfab.storage.cid import CID

_ANSWER_S = 30.0
_ANSWER_BYTES_MAX = 4 * MIB
_TOKEN_BYTES_MAX = 16 * KIB
PINS_MAX = 1000
"""What one answer of the API lists at most."""
_ORIGINS_MAX = 20
_NAME_MAX = 255
_LOOPBACK = ("127.0.0.1", "::1", "localhost")
_ALL = "queued,pinning,pinned,failed"

T = TypeVar("T")


class _Pin(Struct):
    cid: str
    name: str | None = None


class PinStatus(Struct):
    """What a service says of one pin."""

    requestid: str
    status: str
    """queued, pinning, pinned, failed"""
    created: str
    pin: _Pin


class _Listed(Struct):
    count: int
    results: list[PinStatus]


class _Why(Struct):
    reason: str = ""
    details: str = ""


class _Error(Struct):
    error: _Why


class PinningService:
    """One service of the settings."""

    def __init__(self, name: str, endpoint: str, token_file: Path) -> None:
        """Raises `UsageError` unless a token may be sent to this endpoint."""
        self.name = name
        self._endpoint = _checked(endpoint).rstrip("/")
        self._token_file = token_file

    async def pin(self, root: CID, name: str, origins: list[str]) -> PinStatus:
        """Ask for a copy, to be fetched from these addresses if need be.

        One that the service has or is about to have is not asked for again.
        """
        known = [each for each in await self.find(root) if each.status != "failed"]
        if known:
            return known[0]
        asked = {"cid": str(root), "name": name[:_NAME_MAX], "origins": origins[:_ORIGINS_MAX]}
        return self._read(await self._ask("POST", "/pins", json=asked), PinStatus)

    async def unpin(self, root: CID) -> int:
        """Take back what was asked for; return how many requests that were."""
        found = await self.find(root)
        for each in found:
            await self._ask("DELETE", f"/pins/{quote(each.requestid, safe='')}")
        return len(found)

    async def find(self, root: CID) -> list[PinStatus]:
        """Return what was asked for of one tree."""
        names = [str(name) for name in root.versions()]
        query = {"cid": ",".join(names), "status": _ALL, "limit": str(PINS_MAX)}
        found = self._read(await self._ask("GET", "/pins", params=query), _Listed).results
        return [each for each in found if each.pin.cid in names]

    async def pins(self) -> tuple[int, list[PinStatus]]:
        """Return how many pins there are, and the newest `PINS_MAX` of them."""
        query = {"status": _ALL, "limit": str(PINS_MAX)}
        listed = self._read(await self._ask("GET", "/pins", params=query), _Listed)
        return listed.count, listed.results[:PINS_MAX]

    async def _ask(self, method: str, path: str, **sent: Any) -> bytes:
        is_over = Event()
        ask = partial(self._ask_waiting, is_over, method, path, **sent)
        # A limiter of its own: a thread that is left behind takes no other's place.
        mine = trio.CapacityLimiter(1)
        try:
            with trio.fail_after(_ANSWER_S):
                return await trio.to_thread.run_sync(ask, abandon_on_cancel=True, limiter=mine)
        except trio.TooSlowError as error:
            raise ResourceError(f"{self.name}: no answer within {_ANSWER_S:.0f} s") from error
        finally:
            is_over.set()

    def _ask_waiting(self, is_over: Event, method: str, path: str, **sent: Any) -> bytes:
        # In a thread: httpx's asynchronous answers cannot be left before their end.
        import httpx  # Late: few nodes ask a service.

        token = _token(self._token_file)
        headers = {"Authorization": f"Bearer {token}", "Accept-Encoding": "identity"}
        data = bytearray()
        url = f"{self._endpoint}{path}"
        try:
            with (
                httpx.Client(follow_redirects=False, trust_env=False, timeout=_ANSWER_S) as client,
                client.stream(method, url, headers=headers, **sent) as answer,
            ):
                for part in answer.iter_raw():
                    data += part
                    if is_over.is_set():
                        break  # Nobody waits any more.
                    if len(data) > _ANSWER_BYTES_MAX:
                        raise PeerError(f"{self.name}: an answer without end")
        except httpx.HTTPError as error:
            raise ResourceError(f"{self.name}: {error or type(error).__name__}") from error
        if not answer.is_success:
            raise ResourceError(f"{self.name}: it answers {answer.status_code}{_why(bytes(data))}")
        return bytes(data)

    def _read(self, data: bytes, type_: type[T]) -> T:
        try:
            return msgspec.json.decode(data, type=type_)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise PeerError(f"{self.name}: no answer of a pinning service: {error}") from error


def _checked(endpoint: str) -> str:
    try:
        parts = urlsplit(endpoint)
        _ = parts.port
    except ValueError as error:
        raise UsageError(f"{endpoint!r:.120} is not a URL: {error}") from error
    is_safe = parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK)
    if not (parts.hostname and is_safe) or parts.username or parts.query or parts.fragment:
        raise UsageError(
            f"{endpoint!r:.120}: a token is sent there, so it has to be https, or on this computer"
        )
    return endpoint


def _token(path: Path) -> str:
    """Read a token, if it is its owner's alone."""
    try:
        with path.open("rb") as file:
            found = os.fstat(file.fileno())
            if stat.S_IMODE(found.st_mode) & 0o077 or found.st_uid not in (os.geteuid(), 0):
                raise UsageError(f"{path}: others can read this token; chmod 600 {path}")
            data = file.read(_TOKEN_BYTES_MAX + 1)
    except OSError as error:
        raise UsageError(f"{path}: the token cannot be read: {error.strerror}") from error
    token = data.decode("ascii", errors="replace").strip()
    if not token or len(data) > _TOKEN_BYTES_MAX or not (token.isascii() and token.isprintable()):
        raise UsageError(f"{path}: not a token: it is to hold one line of letters and digits")
    return token


def _why(data: bytes) -> str:
    """Return what an error of the API says, printable and short."""
    try:
        why = msgspec.json.decode(data, type=_Error).error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ""
    return f": {plain_text(f'{why.reason} {why.details}'.strip())[:200]}"
