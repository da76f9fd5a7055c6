"""Fetches a file from the web that somebody else named: https only, bounded, and never from
within this network.

A name may lead to an address of one's own (a router, a neighbour, this very machine), also
only at the second look. So it is looked up once, every address is checked, and that address
is spoken to; a redirection is checked anew. Whoever asks for it may have private ones too.
"""

import ipaddress
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING
from urllib.parse import unquote, urljoin, urlsplit

import trio

from commonfab.protocol.errors import ResourceError, UsageError

if TYPE_CHECKING:
    import httpx

FILE_BYTES_MAX = 256 << 20
SECONDS_MAX = 120.0
"""For one file, with all redirections."""
REDIRECTIONS_MAX = 5
URL_CHARS_MAX = 2000
_PAUSE_SECONDS_MAX = 20.0
_PORT = 443
_OK = 200
_MOVED = (301, 302, 303, 307, 308)

Lookup = Callable[[str, int], list[str]]
"""Returns the addresses of a host."""


def look_up(host: str, port: int) -> list[str]:
    """Return the addresses of a host, as the system knows them. Raises `OSError`."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(entry[4][0]) for entry in found]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetcher:
    """Fetches one file after the other."""

    allow_private: bool = False
    """Also from addresses that only lead somewhere in this network."""
    lookup: Lookup = look_up
    trust: ssl.SSLContext = field(default_factory=ssl.create_default_context)
    """Whose certificates are believed."""

    async def fetch(self, url: str, target: Path, bytes_max: int = FILE_BYTES_MAX) -> str:
        """Write what is at an address into a new file; return where it was found in the end.

        Raises `UsageError` for an address that is not asked, and `ResourceError` for one that
        does not answer, or gives more than `bytes_max` bytes.
        """
        is_over = Event()
        fetch = partial(self._fetch, url, target, bytes_max, is_over)
        try:
            with trio.move_on_after(SECONDS_MAX):
                # In a thread: httpx's asynchronous answers cannot be left before their end.
                return await trio.to_thread.run_sync(fetch, abandon_on_cancel=True)
        finally:
            is_over.set()
        raise ResourceError(f"{url}: took longer than {SECONDS_MAX:.0f} s; fetch it by hand")

    def _fetch(self, url: str, target: Path, bytes_max: int, is_over: Event) -> str:
        for _ in range(REDIRECTIONS_MAX + 1):
            moved = self._ask(url, target, bytes_max, is_over)
            if moved is None:
                return url
            url = urljoin(url, moved)
        raise ResourceError(f"{url}: leads on and on; give the address where it ends")

    def _ask(self, url: str, target: Path, bytes_max: int, is_over: Event) -> str | None:
        """Write the file, or return where it has moved to."""
        import httpx  # Late: few people import from the web.

        host, port, address = self._place(url)
        parts = urlsplit(url)
        shown = f"[{address}]" if ":" in address else address
        asked = parts._replace(netloc=f"{shown}:{port}", fragment="").geturl()
        name = host if port == _PORT else f"{host}:{port}"
        try:
            with (
                httpx.Client(
                    verify=self.trust, trust_env=False, timeout=_PAUSE_SECONDS_MAX
                ) as client,
                client.stream(
                    "GET",
                    asked,
                    # What was packed for the way could unpack without end.
                    headers={"Host": name, "Accept-Encoding": "identity"},
                    extensions={"sni_hostname": host},
                ) as answer,
            ):
                if answer.status_code in _MOVED:
                    return str(answer.headers.get("location", ""))
                if answer.status_code != _OK:
                    raise ResourceError(f"{url}: answers {answer.status_code}; look at it")
                _write(url, answer, target, bytes_max, is_over)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise ResourceError(f"{url}: cannot be fetched: {error}; try again") from error
        return None

    def _place(self, url: str) -> tuple[str, int, str]:
        """Return the host, port and address to speak to. Raises `UsageError`."""
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port or _PORT
        except ValueError as error:
            raise UsageError(f"{url!r}: is no address: {error}; correct it") from error
        if parts.scheme != "https" or not host or len(url) > URL_CHARS_MAX or not url.isprintable():
            raise UsageError(f"{url[:200]!r}: is no https address; only these are fetched")
        if parts.username is not None or parts.password is not None:
            raise UsageError(f"{host}: names and passwords are not sent; fetch it by hand")
        try:
            addresses = self.lookup(host, port)
        except (OSError, UnicodeError) as error:
            raise ResourceError(f"{host}: cannot be found: {error}; check the address") from error
        for address in addresses:
            if not self.allow_private and not is_public(address):
                raise UsageError(
                    f"{host}: leads to {address}, within this network; with --private it is asked"
                )
        if not addresses:
            raise ResourceError(f"{host}: has no address; check it")
        return host, port, addresses[0]


def is_public(address: str) -> bool:
    """Return whether an address is one of the whole internet's."""
    found = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(found, ipaddress.IPv6Address):
        for inner in (found.ipv4_mapped, found.sixtofour):
            if inner is not None:
                return inner.is_global and not inner.is_multicast
        if found in ipaddress.ip_network("64:ff9b::/96"):
            return False
    return found.is_global and not found.is_multicast


def name_of(url: str) -> str:
    """Return a file's name from its address: letters, digits, dots, dashes and underscores."""
    last = unquote(urlsplit(url).path).rpartition("/")[2]
    plain = "".join(letter if letter.isalnum() or letter in "._-" else "-" for letter in last)
    return plain.lstrip(".-")[-100:] or "file"


def _write(
    url: str, answer: "httpx.Response", target: Path, bytes_max: int, is_over: Event
) -> None:
    written = 0
    with target.open("xb") as file:
        for chunk in answer.iter_raw():
            if is_over.is_set():
                return  # Nobody waits any more.
            written += len(chunk)
            if written > bytes_max:
                most = f"{bytes_max >> 20} MiB"
                raise ResourceError(f"{url}: is longer than {most}; fetch it by hand")
            file.write(chunk)
