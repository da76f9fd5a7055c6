"""Discovery on the local network: here, the loopback interface."""

import shutil
import socket
import subprocess
import sys
import threading

import pytest
import trio
from zeroconf import ServiceInfo

from commonfab.node.network.mdns import (
    HEARD_MAX,
    SERVICE,
    Pending,
    announced,
    heard_in,
    is_local,
    reachable_places,
)
from commonfab.node.network.transport import LinkUp
from commonfab.protocol.errors import ResourceError
from commonfab.protocol.ids import NodeId
from commonfab.protocol.peer_id import peer_text
from tests.node.network.libp2p_peers import ALICE_SEED, BOB_SEED, CAROL_SEED, a_node, next_event

BOB = NodeId(b"B" * 32)
ID = peer_text(BOB)
_GROUP = ("224.0.0.251", 5353)


def multicast_works_here() -> bool:
    """Send one packet to the group of mDNS by the loopback interface, and look for it."""
    group = socket.inet_aton(_GROUP[0]) + socket.inet_aton("127.0.0.1")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        listener.settimeout(1)
        try:
            listener.bind(("", 0))
            listener.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, group)
            listener.setsockopt(
                socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton("127.0.0.1")
            )
            listener.sendto(b"?", (_GROUP[0], listener.getsockname()[1]))
            return listener.recv(1) == b"?"
        except OSError:
            return False


async def test_nodes_that_want_it_find_one_another_and_others_are_left_alone(
    nursery: trio.Nursery,
) -> None:
    if not multicast_works_here():
        pytest.skip("no multicast on the loopback interface of this machine")
    alice, bob = a_node(ALICE_SEED, mdns=True), a_node(BOB_SEED, mdns=True)
    carol = a_node(CAROL_SEED)
    for node in (alice, bob, carol):
        await nursery.start(node.run)

    up = await next_event(alice)

    assert isinstance(up, LinkUp)
    assert up.link.peer == bob.me
    assert carol.links() == []


async def test_a_node_that_cannot_listen_announces_nothing() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        place = f"/ip4/127.0.0.1/tcp/{taken.getsockname()[1]}"
        before = threading.enumerate()

        with pytest.raises(ResourceError):
            await a_node(listen=[place], mdns=True).run()

    assert [thread for thread in threading.enumerate() if thread not in before] == []


_LONELY = """
import trio
from commonfab.node.network.mdns import Discovery
from commonfab.protocol.ids import NodeId
from commonfab.protocol.peer_id import peer_text

async def meet(address: str) -> None:
    print("met", address)

async def main() -> None:
    me = NodeId(b"B" * 32)
    mine = ["/ip4/198.51.100.7/tcp/4001/p2p/" + peer_text(me)]
    with trio.move_on_after(0.5):
        await Discovery(me, lambda: mine, lambda _: False, meet).run()
    print("waited")

trio.run(main)
"""


@pytest.mark.skipif(shutil.which("unshare") is None, reason="unshare is not installed")
def test_without_a_network_a_node_waits_for_one() -> None:
    command = ["unshare", "--net", "--map-root-user", sys.executable, "-c", _LONELY]

    result = subprocess.run(  # both are ours
        command, capture_output=True, text=True, timeout=60, check=False
    )

    if "unshare" in result.stderr:
        pytest.skip(f"no network namespaces here: {result.stderr.strip()}")
    assert (result.returncode, result.stdout) == (0, "waited\n")


_NEIGHBOURS = """
import sys
import trio
from commonfab.node.network.mdns import Discovery
from commonfab.protocol.ids import NodeId
from commonfab.protocol.peer_id import peer_text

met = {}

async def find(nursery, letter, hosts):
    me = NodeId(letter * 32)
    kinds = ["ip6" if ":" in host else "ip4" for host in hosts]
    mine = [f"/{k}/{h}/tcp/40{letter[0]}/p2p/{peer_text(me)}" for k, h in zip(kinds, hosts)]

    async def meet(address):
        met.setdefault(letter, address.split("/")[2])
        if len(met) == 2:
            nursery.cancel_scope.cancel()

    await Discovery(me, lambda: mine, lambda _: letter in met, meet).run()

async def main():
    with trio.fail_after(30):
        async with trio.open_nursery() as nursery:
            for letter in (b"A", b"B"):
                nursery.start_soon(find, nursery, letter, sys.argv[1:])

trio.run(main)
print(*met.values())
"""


@pytest.mark.skipif(shutil.which("ip") is None, reason="ip is not installed")
@pytest.mark.parametrize(
    ("hosts", "met"),
    [
        (["192.168.7.1/24 dev v0", "10.1.1.1/24 dev v1"], "192.168.7.1"),
        (["fd00:1::1/64 dev v0"], "fd00:1::1"),
    ],
    ids=["two interfaces", "IPv6 alone"],
)
def test_neighbours_find_each_other_on_every_kind_of_network(hosts: list[str], met: str) -> None:
    # Without the second in which IPv6 looks whether an address is taken.
    set_up = [f"echo 0 > /proc/sys/net/ipv6/conf/{each}/accept_dad" for each in ("all", "default")]
    set_up += ["ip link set lo up", "ip link add v0 type veth peer name v1"]
    set_up += ["ip link set v0 up", "ip link set v1 up", *(f"ip addr add {h}" for h in hosts)]
    places = [host.partition("/")[0] for host in hosts]
    script = " && ".join([*set_up, 'exec "$0" -c "$1" ' + " ".join(places)])
    command = ["unshare", "--net", "--map-root-user", "sh", "-c", script]

    result = subprocess.run(  # all of it is ours
        [*command, sys.executable, _NEIGHBOURS],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    if "unshare" in result.stderr or "RTNETLINK" in result.stderr:
        pytest.skip(f"this machine has no network namespaces: {result.stderr.strip()}")
    assert (result.returncode, result.stdout) == (0, f"{met} {met}\n"), result.stderr


@pytest.mark.parametrize(
    ("host", "mine", "is_one"),
    [
        ("192.168.1.7", "192.168.1.2", True),
        ("10.0.0.7", "192.168.1.2", True),
        ("fd00::7", "192.168.1.2", True),
        ("8.8.8.8", "192.168.1.2", False),
        ("2001:4860:4860::8888", "192.168.1.2", False),
        ("127.0.0.1", "192.168.1.2", False),
        ("127.0.0.1", "127.0.0.1", True),
        ("192.168.1.7", "127.0.0.1", False),
        ("0.0.0.0", "192.168.1.2", False),  # noqa: S104  # dialled by nobody
        ("224.0.0.251", "192.168.1.2", False),
        ("fe80::7", "192.168.1.2", False),
        ("example.org", "192.168.1.2", False),
    ],
)
def test_an_announcement_leads_only_to_neighbours(host: str, mine: str, is_one: bool) -> None:
    kind = "ip6" if ":" in host else "ip4"
    own = [f"/ip4/{mine}/tcp/4001/p2p/{ID}"]

    assert is_local(f"/{kind}/{host}/tcp/4001/p2p/{ID}", own) is is_one


async def test_a_flood_of_names_is_bounded_and_one_honest_neighbour_still_has_a_chance() -> None:
    pending = Pending()
    for number in range(HEARD_MAX):
        pending.put(f"eve {number}")
    stayed = 0
    for _ in range(50):
        pending.put("bob")
        for number in range(HEARD_MAX // 4):
            pending.put(f"eve again {number}")
        names = {await pending.take() for _ in range(len(pending))}
        stayed += "bob" in names
        assert len(names) <= HEARD_MAX

    assert stayed > 0


async def test_a_name_that_is_heard_often_is_looked_at_once() -> None:
    pending = Pending()
    for _ in range(10):
        pending.put("bob")

    assert await pending.take() == "bob"
    assert len(pending) == 0


def test_loopback_addresses_are_announced_only_when_there_are_no_others() -> None:
    here = f"/ip4/127.0.0.1/tcp/4001/p2p/{ID}"
    there = f"/ip4/192.0.2.7/tcp/4001/p2p/{ID}"

    assert announced([here, there]) == [there]
    assert announced([here]) == [here]


def test_what_does_not_fit_or_has_no_number_is_not_announced() -> None:
    by_name = f"/dns4/bob.example/tcp/4001/p2p/{ID}"
    there = f"/ip4/192.0.2.7/tcp/4001/p2p/{ID}"

    assert announced([by_name]) == []
    assert len(announced([there] * 100)) == 8


def test_only_what_reads_as_an_address_is_heard() -> None:
    good = f"/ip4/192.0.2.7/tcp/4001/p2p/{ID}"
    properties: dict[str | bytes, str | bytes | None] = {
        "dnsaddr": good,
        "dnsaddr2": "/ip4/192.0.2.7/tcp/4001",
        "dnsaddr3": b"\xff\xfe",
        "dnsaddr4": None,
        "dnsaddr5": f"/ip4/192.0.2.7/tcp/4001/p2p/{ID[:-1]}",
        "other": good,
    }
    info = ServiceInfo(SERVICE, f"eve.{SERVICE}", port=1, properties=properties)

    assert heard_in(info) == [(good, BOB)]


def test_a_node_with_no_interface_still_has_an_address() -> None:
    assert reachable_places(["/ip6/::/tcp/1"]) != []
