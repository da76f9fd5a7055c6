"""Finding nodes on the same local network, without a server: multicast DNS.

Announces this node's addresses under `_commonfab._udp.local.` as libp2p's mDNS does under its
own name (libp2p specs, discovery/mdns.md), and meets the nodes that it hears of. What is heard
comes from anybody on the network, so it is an address to dial and nothing more: the key in it is
proven by the connection or there is none.
"""

import secrets
from collections.abc import Awaitable, Callable
from functools import partial
from ipaddress import IPv4Address, IPv6Address, ip_address

import ifaddr
import trio
from zeroconf import (
    Error,
    InterfaceChoice,
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
_ADDRESSES_MAX = 8
"""Addresses announced, and of each node tried."""
_ADDRESS_LETTERS_MAX = 240
"""One string of a TXT record holds 255 bytes, the key included."""
_HEARD_MAX = 64
"""Announcements that may wait to be looked at; one more is dropped, and comes again."""
_LOOKUP_MS = 3000
_LOOKUPS_MAX = 4
"""Announcements looked at, and nodes met, at a time."""
_RETRY_S = 60.0
"""How long to wait for an interface to appear."""
_COURTESY_S = 2.0
"""Two nodes hear of each other at once: the one with the larger key lets the other dial."""
_CLOSE_S_MAX = 1.5


class Discovery:
    """Announces and meets until cancelled. Off the network it waits for one."""

    def __init__(
        self,
        me: NodeId,
        addresses: Callable[[], list[str]],
        is_up: Callable[[NodeId], bool],
        meet: Callable[[str], Awaitable[None]],
    ) -> None:
        self._me = me
        self._addresses = addresses
        self._is_up = is_up
        self._meet = meet

    async def run(self) -> None:
        while True:
            try:
                await self._run_on_network()
            except (OSError, Error) as error:
                log.info("mdns_unavailable", why=error)
            await trio.sleep(_RETRY_S)

    async def _run_on_network(self) -> None:
        addresses = announced(self._addresses())
        if not addresses:
            return
        is_local = all(_is_loopback(address) for address in addresses)
        zeroconf = await trio.to_thread.run_sync(_open, is_local)
        try:
            heard_name, names = trio.open_memory_channel[str](_HEARD_MAX)
            on_change = partial(_tell, trio.lowlevel.current_trio_token(), heard_name)
            await trio.to_thread.run_sync(zeroconf.register_service, _service(addresses))
            ServiceBrowser(zeroconf, SERVICE, handlers=[on_change])
            async with trio.open_nursery() as nursery:
                for _ in range(_LOOKUPS_MAX):
                    nursery.start_soon(self._look_at_all, zeroconf, names, is_local)
        finally:
            with trio.move_on_after(_CLOSE_S_MAX, shield=True):
                await trio.to_thread.run_sync(zeroconf.close, abandon_on_cancel=True)

    async def _look_at_all(
        self, zeroconf: Zeroconf, names: trio.MemoryReceiveChannel[str], is_local: bool
    ) -> None:
        async for name in names:
            try:
                info = await trio.to_thread.run_sync(
                    zeroconf.get_service_info, SERVICE, name, _LOOKUP_MS, abandon_on_cancel=True
                )
            except (OSError, Error, ValueError) as error:
                log.debug("mdns_lookup_failed", why=error)
                continue
            if info is not None:
                await self._meet_all(heard_in(info), is_local)

    async def _meet_all(self, found: list[tuple[str, NodeId]], is_local: bool) -> None:
        for address, peer in found:
            if peer == self._me or self._is_up(peer) or _is_loopback(address) != is_local:
                continue
            if self._me > peer:
                await trio.sleep(_COURTESY_S)
            if not self._is_up(peer):
                await self._meet(address)


def _open(is_local: bool) -> Zeroconf:
    try:
        return Zeroconf(interfaces=["127.0.0.1"] if is_local else InterfaceChoice.All)
    except RuntimeError as error:
        raise OSError(f"no network to announce on: {error}") from error


def _service(addresses: list[str]) -> ServiceInfo:
    keys = ["dnsaddr", *(f"dnsaddr{number}" for number in range(2, _ADDRESSES_MAX + 1))]
    # A name by chance, as the specification has it: one that can be foretold could be taken.
    name = secrets.token_hex(16)
    return ServiceInfo(
        SERVICE,
        f"{name}.{SERVICE}",
        port=1,  # Required by DNS-SD and meant by nobody: the addresses carry the ports.
        properties=dict(zip(keys, addresses, strict=False)),
        server=f"{name}.local.",
        parsed_addresses=[str(ip) for address in addresses if (ip := _ip(address))],
    )


def _tell(
    token: trio.lowlevel.TrioToken,
    heard_name: trio.MemorySendChannel[str],
    zeroconf: Zeroconf,
    service_type: str,
    name: str,
    state_change: ServiceStateChange,
) -> None:
    """Pass a name on, from zeroconf's thread to ours."""
    if state_change is ServiceStateChange.Removed:
        return
    try:
        trio.from_thread.run_sync(heard_name.send_nowait, name, trio_token=token)
    except (trio.WouldBlock, trio.BrokenResourceError, trio.RunFinishedError):
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
    for adapter in ifaddr.get_adapters():
        for ip in adapter.ips:
            host = ip.ip if isinstance(ip.ip, str) else ip.ip[0]
            if ip.is_IPv6 == is_ipv6 and not ip_address(host).is_link_local:
                hosts.append(host)
    outside = [host for host in hosts if not ip_address(host).is_loopback]
    return outside or hosts
