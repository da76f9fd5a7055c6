"""Finding nodes on the same local network, without a server: multicast DNS.

Announces this node's addresses under `_commonfab._udp.local.` as libp2p's mDNS does under its
own name (libp2p specs, discovery/mdns.md), and meets the nodes that it hears of. What is heard
comes from anybody on the network, so it is an address to dial and nothing more: the key in it is
proven by the connection or there is none.

    Discovery     announced all the time, where the operator wants it
    Beacon        announced only while two people pair their nodes, with the place to meet

It speaks on every interface, over IPv4 and IPv6, and begins anew when these change, and now and
then in any case: so a flood of announcements fills no memory for long.
"""

import random
import secrets
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from functools import partial
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)

import ifaddr
import trio
from zeroconf import (
    Error,
    InterfaceChoice,
    IPVersion,
    ServiceBrowser,
    ServiceInfo,
    ServiceStateChange,
    Zeroconf,
)

from commonfab.protocol.errors import UsageError
from commonfab.protocol.ids import NodeId

from .. import log
from .transport import split_address

SERVICE = "_commonfab._udp.local."
PAIRING_SERVICE = "_commonfab-pair._udp.local."
_ADDRESSES_MAX = 8
"""Addresses announced, and of each node tried."""
_ADDRESS_LETTERS_MAX = 240
"""One string of a TXT record holds 255 bytes, the key included."""
HEARD_MAX = 256
"""Announcements that may wait to be looked at; of more, which ones stay is left to chance."""
_FAILED_MAX = 1024
"""Addresses remembered at which nobody was met."""
_FAILED_S = 120.0
"""They are not dialled again for so long."""
_LOOKUP_MS = 3000
_LOOKUPS_MAX = 4
"""Announcements looked at, and nodes met, at a time."""
_RETRY_S = 60.0
"""How long to wait for an interface to appear."""
_LOOK_S = 10.0
"""Between two looks whether the interfaces have changed."""
_ANEW_S = 900.0
_COURTESY_S = 2.0
"""Two nodes hear of each other at once: the one with the larger key lets the other dial."""
_CLOSE_S_MAX = 1.5

Addresses = Callable[[], list[str]]


class Discovery:
    """Announces and meets until cancelled. Off the network it waits for one."""

    def __init__(
        self,
        me: NodeId,
        addresses: Addresses,
        is_up: Callable[[NodeId], bool],
        meet: Callable[[str], Awaitable[None]],
    ) -> None:
        self._me = me
        self._addresses = addresses
        self._is_up = is_up
        self._meet = meet
        self._failed: OrderedDict[str, float] = OrderedDict()

    async def run(self) -> None:
        await _Multicast(SERVICE, self._addresses, {}, self._hear).run()

    async def _hear(self, info: ServiceInfo) -> None:
        for address, peer in heard_in(info):
            if peer == self._me or self._is_up(peer) or not self._may_dial(address):
                continue
            if self._me > peer:
                await trio.sleep(_COURTESY_S)
            if not self._is_up(peer):
                await self._meet(address)
                if not self._is_up(peer):
                    self._note_failure(address)

    def _may_dial(self, address: str) -> bool:
        is_rested = trio.current_time() >= self._failed.get(address, 0.0)
        return is_rested and is_local(address, self._addresses())

    def _note_failure(self, address: str) -> None:
        self._failed[address] = trio.current_time() + _FAILED_S
        if len(self._failed) > _FAILED_MAX:
            self._failed.popitem(last=False)


class Beacon:
    """Says at which place a node waits for another, and hears of those that wait there too.

    `found` gets a node and its addresses, which may be called often, with lies too.
    """

    def __init__(
        self,
        me: NodeId,
        addresses: Addresses,
        place: str,
        found: Callable[[NodeId, tuple[str, ...]], None],
    ) -> None:
        self._me = me
        self._addresses = addresses
        self._place = place
        self._found = found

    async def run(self) -> None:
        """Announce and listen until cancelled; a node that nobody can dial only listens."""
        await _Multicast(PAIRING_SERVICE, self._addresses, {"place": self._place}, self._hear).run()

    async def _hear(self, info: ServiceInfo) -> None:
        if info.decoded_properties.get("place") != self._place:
            return
        mine = self._addresses()
        found: dict[NodeId, list[str]] = {}
        for address, peer in heard_in(info):
            if peer != self._me and is_local(address, mine):
                found.setdefault(peer, []).append(address)
        for peer, addresses in found.items():
            self._found(peer, tuple(addresses))
        await trio.lowlevel.checkpoint()


class _Multicast:
    """Announces under one service's name, and passes on what others announce under it."""

    def __init__(
        self,
        service: str,
        addresses: Addresses,
        said: dict[str, str],
        hear: Callable[[ServiceInfo], Awaitable[None]],
    ) -> None:
        self._service = service
        self._addresses = addresses
        self._said = said
        self._hear = hear

    async def run(self) -> None:
        while True:
            wait_s = _RETRY_S
            try:
                if await self._run_on_network():
                    wait_s = 0.0
            except (OSError, Error) as error:
                log.info("mdns_unavailable", why=error)
            await trio.sleep(wait_s)

    async def _run_on_network(self) -> bool:
        """Return once it is time to begin anew, and False where there is nothing to announce."""
        addresses = announced(self._addresses())
        if not addresses:
            return False
        is_here = all(_is_loopback(address) for address in addresses)
        zeroconf = await trio.to_thread.run_sync(_open, is_here)
        try:
            pending = Pending()
            on_change = partial(_tell, trio.lowlevel.current_trio_token(), pending)
            info = _service(self._service, addresses, self._said)
            await trio.to_thread.run_sync(zeroconf.register_service, info)
            ServiceBrowser(zeroconf, self._service, handlers=[on_change])
            async with trio.open_nursery() as nursery:
                for _ in range(_LOOKUPS_MAX):
                    nursery.start_soon(self._look_at_all, zeroconf, pending)
                await self._until_changed(addresses)
                nursery.cancel_scope.cancel()
        finally:
            with trio.move_on_after(_CLOSE_S_MAX, shield=True):
                await trio.to_thread.run_sync(zeroconf.close, abandon_on_cancel=True)
        return True

    async def _until_changed(self, addresses: list[str]) -> None:
        with trio.move_on_after(_ANEW_S):
            before = _hosts()
            while _hosts() == before and announced(self._addresses()) == addresses:  # noqa: ASYNC110  # No event tells it.
                await trio.sleep(_LOOK_S)

    async def _look_at_all(self, zeroconf: Zeroconf, pending: "Pending") -> None:
        while True:
            name = await pending.take()
            try:
                info = await trio.to_thread.run_sync(
                    zeroconf.get_service_info,
                    self._service,
                    name,
                    _LOOKUP_MS,
                    abandon_on_cancel=True,
                )
            except (OSError, Error, ValueError) as error:
                log.debug("mdns_lookup_failed", why=error)
                continue
            if info is not None:
                await self._hear(info)


class Pending:
    """Names that were heard and wait to be looked at.

    In a crowd each has the same chance to stay, whoever came first: who floods the network
    keeps an honest neighbour out for a while, not for good.
    """

    def __init__(self) -> None:
        self._names: dict[str, None] = {}
        self._some = trio.Event()
        self._chance = random.Random()  # noqa: S311  # Which name is dropped is no secret.

    def __len__(self) -> int:
        return len(self._names)

    def put(self, name: str) -> None:
        self._names[name] = None
        if len(self._names) > HEARD_MAX:
            del self._names[self._chance.choice(list(self._names))]
        self._some.set()

    async def take(self) -> str:
        while not self._names:
            self._some = trio.Event()
            await self._some.wait()
        name = self._chance.choice(list(self._names))
        del self._names[name]
        return name


def _open(is_here: bool) -> Zeroconf:
    try:
        if is_here:
            return Zeroconf(interfaces=["127.0.0.1"])
        return _open_everywhere()
    except RuntimeError as error:
        raise OSError(f"no network to announce on: {error}") from error


def _open_everywhere() -> Zeroconf:
    try:
        return Zeroconf(interfaces=InterfaceChoice.All, ip_version=IPVersion.All)
    except OSError:  # A system without IPv6.
        return Zeroconf(interfaces=InterfaceChoice.All, ip_version=IPVersion.V4Only)


def _service(service: str, addresses: list[str], said: dict[str, str]) -> ServiceInfo:
    keys = ["dnsaddr", *(f"dnsaddr{number}" for number in range(2, _ADDRESSES_MAX + 1))]
    # A name by chance, as the specification has it: one that can be foretold could be taken.
    name = secrets.token_hex(16)
    return ServiceInfo(
        service,
        f"{name}.{service}",
        port=1,  # Required by DNS-SD and meant by nobody: the addresses carry the ports.
        properties=said | dict(zip(keys, addresses, strict=False)),
        server=f"{name}.local.",
        parsed_addresses=[str(ip) for address in addresses if (ip := _ip(address))],
    )


def _tell(
    token: trio.lowlevel.TrioToken,
    pending: Pending,
    zeroconf: Zeroconf,
    service_type: str,
    name: str,
    state_change: ServiceStateChange,
) -> None:
    """Pass a name on, from zeroconf's thread to ours."""
    if state_change is ServiceStateChange.Removed:
        return
    try:
        trio.from_thread.run_sync(pending.put, name, trio_token=token)
    except trio.RunFinishedError:
        log.debug("mdns_dropped", name=name)


def announced(addresses: list[str]) -> list[str]:
    """Return those that are of use to others; loopback ones only if there are no others."""
    short = [each for each in addresses if _ip(each) and len(each) <= _ADDRESS_LETTERS_MAX]
    outside = [address for address in short if not _is_loopback(address)]
    return (outside or short)[:_ADDRESSES_MAX]


def heard_in(info: ServiceInfo) -> list[tuple[str, NodeId]]:
    readable: list[tuple[str, NodeId]] = []
    for key, address in info.decoded_properties.items():
        if key.startswith("dnsaddr") and address and len(readable) < _ADDRESSES_MAX:
            try:
                readable.append((address, split_address(address)[1]))
            except UsageError as error:
                log.debug("mdns_malformed", why=error)
    return readable


def is_local(address: str, mine: list[str]) -> bool:
    """Tell whether an address that was heard is one of a neighbour's, of the kind of `mine`.

    It is private, or in the subnet of an interface: what is said on the local network leads
    nobody to dial the rest of the world. Loopback counts where `mine` are all of that.
    """
    ip = _ip(address)
    if ip is None or ip.is_multicast or ip.is_unspecified or ip.is_link_local:
        return False
    if all(map(_is_loopback, mine)) or ip.is_loopback:
        return ip.is_loopback and all(map(_is_loopback, mine))
    return not ip.is_global or any(ip in subnet for subnet in _subnets())


def _subnets() -> list[IPv4Network | IPv6Network]:
    return [ip_network(f"{host}/{prefix}", strict=False) for host, prefix in _hosts()]


def _hosts() -> list[tuple[str, int]]:
    """Return this computer's addresses, each with the length of its subnet's prefix."""
    return [
        (ip.ip if isinstance(ip.ip, str) else ip.ip[0], ip.network_prefix)
        for adapter in ifaddr.get_adapters()
        for ip in adapter.ips
    ]


def _is_loopback(address: str) -> bool:
    ip = _ip(address)
    return ip is not None and ip.is_loopback


def _ip(address: str) -> IPv4Address | IPv6Address | None:
    parts = address.split("/")
    try:
        return ip_address(parts[2])
    except (ValueError, IndexError):
        return None


def reachable_places(places: list[str]) -> list[str]:
    """Return where others reach what listens at `places`: for 0.0.0.0 and ::, each interface."""
    reachable: list[str] = []
    for place in places:
        _, kind, host, *rest = place.split("/")
        is_open = host in ("0.0.0.0", "::")  # noqa: S104  # read here, not listened on
        hosts = (_interface_hosts(is_ipv6=kind == "ip6") if is_open else []) or [host]
        reachable += ["/".join(("", kind, each, *rest)) for each in hosts]
    return reachable


def _interface_hosts(*, is_ipv6: bool) -> list[str]:
    hosts: list[str] = []
    for host, _ in _hosts():
        ip = ip_address(host)
        if (ip.version == 6) == is_ipv6 and not ip.is_link_local:
            hosts.append(host)
    outside = [host for host in hosts if not ip_address(host).is_loopback]
    return outside or hosts
