"""What the operator of a node decided: `commonfab.toml`, and the environment over it.

Every setting is here with its bounds and its meaning; the file that `commonfab init` writes
is made of the same words. A simple setting can be changed for one run by the environment:
`COMMONFAB_NETWORK_LISTEN` stands for `listen` in `[network]`, lists with commas.
"""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from commonfab.protocol import records
from commonfab.protocol.errors import ResourceError, UsageError
from commonfab.protocol.limits import (
    CAPACITY_TERM_MS_MAX,
    GRACE_MS_MAX,
    LICENCES_PER_MACHINE_MAX,
    MACHINES_PER_WORKSHOP_MAX,
    SECOND_MS,
)
from commonfab.scheduler.profiles import USUAL, Profiles

from ..energy.settings import Energy
from ..machines.settings import Machine
from . import config_checks, config_text, network_key
from .config_text import Raw
from .forms import Amount, Currency, KuboApi, MachineId, Name, ProfileName, Text
from .queue import Queue

_GRACE_S_MAX = GRACE_MS_MAX // SECOND_MS
_CAPACITY_S_MAX = CAPACITY_TERM_MS_MAX // SECOND_MS // 2
"""A capacity record is renewed at half of its life at the latest."""
_FILE_BYTES_MAX = 1 << 20


class _Section(Struct, frozen=True, kw_only=True):
    """One table of the file."""


class Workshop(_Section, frozen=True, kw_only=True):
    name: Annotated[Name, Meta(description="What others call this workshop.")]
    about: Annotated[Text, Meta(description="A sentence for those who look it up.")] = ""
    lat: Annotated[float, Meta(ge=-90, le=90, description="Degrees north. Stays on this node.")]
    lon: Annotated[float, Meta(ge=-180, le=180, description="Degrees east. Stays on this node.")]
    place_precision: Annotated[
        int,
        Meta(
            ge=3,
            le=6,
            description="How exactly others learn the place, in geohash letters:\n"
            "3 is about 100 km, 4 about 25 km, 5 about 3 km, 6 about 600 m.",
        ),
    ] = 4
    currency: Annotated[Currency, Meta(description="Of all prices below (ISO 4217).")] = "EUR"
    grid_g_per_kwh: Annotated[
        int,
        Meta(
            ge=0,
            le=5000,
            description="Grams of CO2e for a kilowatt-hour used here; ask your supplier.\n"
            "250 is about the average of the European Union.",
        ),
    ] = 250

    def place_for_others(self) -> records.Place:
        """Return the middle of the geohash cell, and how far from it the place may be."""
        # A geohash letter holds five bits, which halve longitude and latitude in turn.
        bits = 5 * self.place_precision
        lat, height = _cell(self.lat, 180.0, bits // 2)
        lon, width = _cell(self.lon, 360.0, bits - bits // 2)
        width *= math.cos(math.radians(max(0.0, abs(lat) - height / 2)))
        return records.Place(
            lat_udeg=round(lat * 1e6),
            lon_udeg=round(lon * 1e6),
            accuracy_m=math.ceil(math.hypot(height, width) / 2 * _METRES_PER_DEGREE),
        )


_METRES_PER_DEGREE = 111_195
"""Of a great circle, with the mean radius of 6,371,009 m."""


def _cell(degrees: float, range_degrees: float, bits: int) -> tuple[float, float]:
    size = range_degrees / (1 << bits)
    index = min(int((degrees + range_degrees / 2) / size), (1 << bits) - 1)
    return (index + 0.5) * size - range_degrees / 2, size


class Network(_Section, frozen=True, kw_only=True):
    listen: Annotated[
        tuple[str, ...],
        Meta(
            max_length=8,
            description="Where this node can be reached: on this computer alone, unless you say\n"
            'otherwise. "/ip4/0.0.0.0/tcp/4411" is port 4411 of every network it is in, and\n'
            '"/ip6/::/tcp/4411" the same in IPv6. []: nowhere; it dials, and relays bring others.',
        ),
    ] = ("/ip4/127.0.0.1/tcp/0",)
    announce: Annotated[
        tuple[str, ...],
        Meta(
            max_length=8,
            description="Addresses that others are told besides, for example of a router that\n"
            'passes connections on: "/ip4/203.0.113.5/tcp/4411".',
        ),
    ] = ()
    peers: Annotated[
        tuple[str, ...],
        Meta(
            max_length=64,
            description='Nodes to stay connected with: "/ip4/…/tcp/…/p2p/12D3KooW…", as their\n'
            "`commonfab status` shows it.",
        ),
    ] = ()
    bootstrap: Annotated[
        tuple[str, ...],
        Meta(
            max_length=16,
            description="Nodes to begin with, dialled while few others are known. Anyone may run\n"
            "one, and none is built in.",
        ),
    ] = ()
    private_key_file: Annotated[
        Text,
        Meta(
            description="The key of a private network: only nodes that have the same connect.\n"
            "Make one with: commonfab network create"
        ),
    ] = ""
    relay: Annotated[
        Literal["auto", "on", "off"],
        Meta(
            description="Relays, for nodes behind routers that let nobody in. auto: use those of\n"
            "others where this node needs one, and be one, within limits, where the internet\n"
            "reaches it; on: be one wherever it is; off: neither."
        ),
    ] = "auto"
    budget_mb_a_day: Annotated[
        int,
        Meta(
            ge=0,
            le=1_000_000,
            description="Megabytes a day, both ways, that a metered link may carry; 0: any. As\n"
            "they are used up, news of the world is dropped first, then of the areas\n"
            "around, then all. Orders and files go on.",
        ),
    ] = 0
    mdns: Annotated[
        bool, Meta(description="Find nodes in the local network, and be found there.")
    ] = False
    dht: Annotated[
        Literal["off", "client", "server"],
        Meta(
            description="The DHT of IPFS, where nodes find who has a design: not used, asked and\n"
            "told, or answered for others too. Asked only through linked peers and `dht_peers`."
        ),
    ] = "client"
    dht_peers: Annotated[
        tuple[str, ...],
        Meta(
            max_length=16,
            description="Servers of the DHT to begin with; none, and the DHT of the internet is\n"
            "not used.",
        ),
    ] = ()

    @property
    def psk(self) -> bytes | None:
        """The 32 bytes of a private network's key, read from its file; None without one."""
        if not self.private_key_file:
            return None
        return network_key.read(Path(self.private_key_file).expanduser())


class Trade(_Section, frozen=True, kw_only=True):
    accept: Annotated[bool, Meta(description="Whether the machines take jobs of others.")] = True
    ask: Annotated[
        bool,
        Meta(description="Whether a person decides on jobs of others: commonfab requests, decide."),
    ] = False
    makes_for: Annotated[
        Literal["everyone", "known"],
        Meta(description="Whose jobs: those of everyone, or of nodes that this one knows."),
    ] = "everyone"
    licences: Annotated[
        tuple[Name, ...],
        Meta(
            max_length=LICENCES_PER_MACHINE_MAX,
            description="Licences whose designs are made here, by their SPDX identifiers. []: any.",
        ),
    ] = ()
    profile: Annotated[
        ProfileName,
        Meta(
            description="What counts how much in orders of this node that do not say it: cheap,\n"
            "fast, near, green, mine, or a profile of your own. Each may be changed in a table\n"
            "[profile.NAME], for example with distance_max_km = 50, trust_floor = 0.3."
        ),
    ] = USUAL
    grace_s: Annotated[
        int,
        Meta(
            ge=1,
            le=_GRACE_S_MAX,
            description="Orders of this node: how long a workshop that has gone silent may still\n"
            "report after its window, before the job goes to another. Seconds.",
        ),
    ] = 60
    sync_s: Annotated[
        int,
        Meta(ge=1, le=3600, description="Seconds between two exchanges of records with a peer."),
    ] = 30
    capacity_s: Annotated[
        int,
        Meta(
            ge=1,
            le=_CAPACITY_S_MAX,
            description="Seconds after which others are told again what the machines can do,\n"
            "if nothing changes before.",
        ),
    ] = 300


class Storage(_Section, frozen=True, kw_only=True):
    quota_gb: Annotated[
        float,
        Meta(
            ge=0.1,
            le=1_000_000,
            description="How much of the disk designs may take, in gigabytes (10^9 bytes). Beyond\n"
            "it, what nobody asked to keep goes, the least recently used first.",
        ),
    ] = 20.0

    @property
    def quota_bytes(self) -> int:
        return round(self.quota_gb * 10**9)


class Pinning(_Section, frozen=True, kw_only=True):
    """A service that keeps copies for money or by agreement (IPFS Pinning Service API)."""

    name: MachineId
    endpoint: Text
    token_file: Text


class Ipfs(_Section, frozen=True, kw_only=True):
    kubo: Annotated[
        KuboApi,
        Meta(
            description="The API of a Kubo daemon that keeps the files of designs, instead of the\n"
            'disk here: "/ip4/127.0.0.1/tcp/5001". While it is away, the disk serves.',
        ),
    ] = ""
    pinning: Annotated[
        tuple[Pinning, ...],
        Meta(
            max_length=8,
            description="Services that keep copies, for commonfab ipfs pin. Each has a name, an\n"
            "endpoint (https), and the path of a file with its token, mode 0600.",
        ),
    ] = ()
    routers: Annotated[
        tuple[str, ...],
        Meta(
            max_length=4,
            description="Servers that are asked over HTTP who has a design that no peer here\n"
            'has: "https://…". They learn what is looked for.',
        ),
    ] = ()


class Settings(
    Struct,
    frozen=True,
    kw_only=True,
    rename={"machines": "machine", "own_profiles": "profile"},
):
    """All of it. In the file, each machine is a `[[machine]]`, each profile a `[profile.NAME]`."""

    workshop: Workshop
    network: Network = Network()
    trade: Trade = Trade()
    queue: Queue = Queue()
    energy: Energy = Energy()
    storage: Storage = Storage()
    ipfs: Ipfs = Ipfs()
    own_profiles: Annotated[dict[ProfileName, dict[str, Amount]], Meta(max_length=64)] = {}
    """By name, the weights that differ (specs/scheduling.md)."""
    machines: Annotated[tuple[Machine, ...], Meta(max_length=MACHINES_PER_WORKSHOP_MAX)] = ()

    def profiles(self) -> Profiles:
        return Profiles(self.workshop.currency, self.own_profiles, self.trade.profile)


def load(path: Path, environment: Mapping[str, str]) -> Settings:
    """Read a node's settings, or raise `UsageError` that names what is wrong and where."""
    try:
        with path.open("rb") as file:
            data = file.read(_FILE_BYTES_MAX + 1)
    except FileNotFoundError as error:
        raise UsageError(f"{path}: no settings; make a node with: commonfab init") from error
    except OSError as error:
        raise ResourceError(f"{path}: {error.strerror}") from error
    if len(data) > _FILE_BYTES_MAX:
        raise UsageError(f"{path}: more than {_FILE_BYTES_MAX} bytes; these are not settings")
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise UsageError(f"{path}: not UTF-8 text; save it as such") from error
    return parse(text, str(path), environment)


def parse(text: str, name: str, environment: Mapping[str, str]) -> Settings:
    """Return the settings in a file's text; `name` is what errors call it."""
    raw = config_text.read(text, name)
    config_text.refuse_unknown(raw, Settings, text, name)
    _override(raw, environment)
    config_checks.check_raw_profiles(raw, text, name)
    try:
        settings = msgspec.convert(raw, Settings)
    except msgspec.ValidationError as error:
        raise config_text.explain(error, text, name) from error
    config_checks.check(settings, text, name)
    return settings


def _override(raw: Raw, environment: Mapping[str, str]) -> None:
    simple = _simple_settings()
    for variable in sorted(environment):
        if not variable.startswith(_SECTION_PREFIXES):
            continue
        if variable not in simple:
            suggestion = config_text.nearest(variable, simple)
            raise UsageError(f"{variable}: no such setting{suggestion}")
        section, field = simple[variable]
        table = raw.setdefault(section, {})
        assert isinstance(table, dict), "refuse_unknown has looked"
        table[field.encode_name] = _value(variable, environment[variable], field.type)


_SECTIONS: dict[str, type[Struct]] = {
    "workshop": Workshop,
    "network": Network,
    "trade": Trade,
    "queue": Queue,
    "energy": Energy,
    "storage": Storage,
    "ipfs": Ipfs,
}
_SECTION_PREFIXES = tuple(f"COMMONFAB_{section.upper()}_" for section in _SECTIONS)


def _simple_settings() -> dict[str, tuple[str, msgspec.structs.FieldInfo]]:
    return {
        f"COMMONFAB_{section}_{field.encode_name}".upper(): (section, field)
        for section, type_ in _SECTIONS.items()
        for field in msgspec.structs.fields(type_)
    }


def _value(variable: str, text: str, type_: Any) -> Any:
    is_list = "tuple" in str(type_)
    words = [word.strip() for word in text.split(",") if word.strip()]
    try:
        return msgspec.convert(words if is_list else text, type_, strict=False)
    except msgspec.ValidationError as error:
        raise UsageError(f"{variable}={text}: {config_text.in_words(error)}") from error
