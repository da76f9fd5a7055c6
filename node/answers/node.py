"""What a running node answers to the command line, as typed values.

The command prints the same values as JSON with `--json`, so these names are an interface.
Ids are text: nodes as libp2p peer ids, records and orders in hexadecimal, roots as CIDs.
Times are milliseconds since 1970 UTC; lengths micrometres; masses milligrams.
"""

from msgspec import Struct

from commonfab.scheduler.why.explanation import Explanation


class Answer(Struct, frozen=True, kw_only=True):
    pass


class MachineNow(Answer, frozen=True):
    """One of this node's machines."""

    id: str
    process: str
    model: str
    driver: str
    volume_um: tuple[int, int, int]
    materials: list[str]
    """Each as "PETG 950 g"."""
    state: str
    """idle, preparing, running, paused, failed, offline"""
    job: str = ""
    """What it makes: "2 x hook for 3f2a…"."""
    permille: int = 0
    free_at: int = 0
    queue: int = 0
    """Leases that wait for it."""
    takes_jobs: bool = True
    nozzle_um: int = 0
    """Of it, as of all that follows: 0 or empty if it is not told."""
    tolerance_um: int = 0
    temperature_c: int = 0
    hours: str = ""
    """When it may run, by the clocks of the place: "Mon-Fri 09:00-18:00", or "always"."""
    attended: str = ""
    """When someone is there."""


class TrafficLine(Answer, frozen=True):
    """Bytes of the last hour, for one purpose."""

    kind: str
    """gossip, sync, blocks, letters, other"""
    bytes_in: int
    bytes_out: int


class Status(Answer, frozen=True):
    version: str
    node: str
    name: str
    home: str
    lat: float
    lon: float
    place_accuracy_m: int
    """How exactly others learn the place."""
    started: int
    now: int
    addresses: list[str]
    reach: str
    """open: others can dial this node; hidden: nobody who tried could; unknown."""
    relays: int
    """Peers through which it is reached."""
    helped: int
    """Peers that are reached through it."""
    carried_bytes: int
    """For them, since it started."""
    peers: int
    workshops: int
    designs: int
    open_orders: int
    records: int
    blocks_bytes: int
    traffic: list[TrafficLine]
    today_bytes: int
    """What streams carried today, both ways."""
    budget_bytes: int
    """What they may carry on one day; 0: any."""
    machines: list[MachineNow]
    power: str
    """Where their power comes from; empty: as from any grid."""
    warnings: list[str]
    """What needs a person: a machine that failed, a full disk, a damaged record."""
    put_aside: list[str]
    """Bad records that peers sent, each with its sender and why it is bad."""


class PartLine(Answer, frozen=True):
    name: str
    file: str
    process: str
    material: str
    pieces: int
    bbox_um: tuple[int, int, int]
    volume_mm3: int
    watertight: bool
    seconds: int
    mass_mg: int


class DesignLine(Answer, frozen=True):
    id: str
    name: str
    version: str
    licence: str
    licensor: str
    function: str
    author: str
    author_name: str
    root: str
    at: int
    size_bytes: int
    parts: list[PartLine]
    picture: str | None = None
    """Its path below the root."""
    is_here: bool = False
    """Whether all its files are on this node's disk."""
    denied: str = ""
    """Why this node will have nothing to do with it, and who says so; empty: it will."""
    language: str = ""
    made: int = 0
    """Pieces of it of which this node has seen the owners' receipts."""


class FacetValue(Answer, frozen=True):
    value: str
    designs: int
    """How many of those found have it."""
    name: str = ""
    """Of an author: the workshop's."""


class FoundDesigns(Answer, frozen=True):
    designs: list[DesignLine]
    total: int
    """How many fit, as far as they were counted."""
    is_more: bool
    """More fit than were counted."""
    facets: dict[str, list[FacetValue]]
    """The commonest process, material, licence, language and author among those counted."""
    known: int
    missing: int
    """Of those known: not in the catalogue yet, so not looked at."""


class VersionLine(Answer, frozen=True):
    id: str
    version: str
    at: int
    is_honest: bool
    """False: its author signed another for the same place, or had revoked its key."""
    is_newest: bool
    """The newest honest one."""


class KinLine(Answer, frozen=True):
    """What a design was made from, or what was made from it."""

    id: str
    relation: str
    """fork, remix"""
    is_known: bool
    name: str = ""
    version: str = ""
    author: str = ""
    author_name: str = ""


class ShownDesign(DesignLine, frozen=True, kw_only=True):
    """One design, with its kin."""

    versions: list[VersionLine]
    """Newest first."""
    derived_from: list[KinLine]
    derived: list[KinLine]
    """What says that it was made from this, or from another version of it."""


class Picture(Answer, frozen=True):
    part: str
    file: str
    path: str
    """Of a PNG on this node's disk; empty if there is none."""
    why: str = ""
    """Why there is none."""


class Published(Answer, frozen=True):
    design: DesignLine
    files: int
    is_new: bool
    notes: list[str]
    """What was inferred or repaired on the way."""


class Got(Answer, frozen=True):
    """A design's files, written out."""

    design: str
    folder: str
    files: int
    size_bytes: int


class Bundled(Answer, frozen=True):
    """A bundle that was written, or would be."""

    file: str
    """Empty: none, as the node that it is for lacks nothing."""
    root: str
    designs: int
    records: int
    blocks: int
    size_bytes: int
    """Of the file."""
    is_dry_run: bool
    to: str = ""
    """The node that it is for; empty: whoever has it."""
    to_name: str = ""
    letters: int = 0
    is_sealed: bool = False
    left_out: list["LeftOut"] = []
    """Designs whose files did not go in, the most wished first."""
    left_out_count: int = 0
    left_out_records: int = 0


class LeftOut(Answer, frozen=True):
    id: str
    name: str
    size_bytes: int
    why: str


class BundledDesign(Answer, frozen=True):
    """A design whose record a bundle has."""

    id: str
    name: str
    version: str
    author: str
    author_name: str
    root: str
    is_new: bool
    """Whether its record was not known here."""
    missing: int
    """Blocks that are neither in the file nor here, as far as can be known; 0: it is whole."""
    why: str = ""
    """Why its files cannot be read at all."""


class BundledRoot(Answer, frozen=True):
    """A tree that a file names and that no record speaks of."""

    root: str
    missing: int
    why: str = ""


class OpenedBundle(Answer, frozen=True):
    """What a file held, and what of it was taken in, or would be."""

    file: str
    is_bundle: bool
    """False: blocks alone, as other IPFS programs export them."""
    is_whole: bool
    damage: str
    """Where the file stopped making sense, and how."""
    blocks: int
    size_bytes: int
    new_blocks: int
    new_bytes: int
    records: int
    """Those that may be believed."""
    new_records: int
    designs: list[BundledDesign]
    roots: list[BundledRoot]
    refused: list[str]
    """Blocks and records that are wrong, the first of them."""
    refused_count: int
    ignored: list[str]
    """Records that are nobody's fault and of no use: expired, of a revoked key."""
    is_dry_run: bool
    maker: str = ""
    """The node that made it for this one; empty: it is for nobody in particular."""
    maker_name: str = ""
    is_sealed: bool = False
    is_news: bool = False
    """Whether what its maker says that it has and wants is newer than what was known."""
    letters: int = 0
    receipt: str = ""
    """The file beside it that says that it has arrived; empty: there is none."""
    receipt_why: str = ""
    """Why it could not be written."""


class AttemptLine(Answer, frozen=True):
    epoch: int
    pieces: int
    owner: str
    owner_name: str
    machine: str
    start: int
    end: int
    outcome: str
    """open, made, failed, released, silent, not started, surplus"""
    made: int
    km: float
    price_minor: int
    currency: str
    machine_seconds: int
    mass_mg: int
    energy_mwh: int
    co2e_mg: int
    basis: str = ""
    """What the CO2e rests on: mean, hourly, clear-sky; empty: not said."""
    reason: str = ""


class JobLine(Answer, frozen=True):
    index: int
    part: str
    pieces_left: int
    state: str
    """waiting, asking, accepting, leased, granted, done, dropped"""
    permille: int
    reason: str
    attempts: list[AttemptLine]


class OrderLine(Answer, frozen=True):
    id: str
    design: str
    design_name: str
    quantity: int
    lat: float
    lon: float
    by: int
    at: int
    state: str
    """open, done, cancelled"""
    pieces_wanted: int
    pieces_made: int
    pieces_surplus: int
    jobs: list[JobLine]
    profile: str = ""
    """What counts how much when its machines are chosen; empty: as the node is set."""


class Explained(Answer, frozen=True):
    """Why the machines of an order's jobs were chosen, and why the others were not."""

    order: str
    jobs: list[Explanation]


class PeerLine(Answer, frozen=True):
    node: str
    name: str
    is_connected: bool
    is_friend: bool
    """Two people have paired the nodes, or one invited the other."""
    address: str
    """Of the link; without one, where it was last reached."""
    how: str
    """How it is reached: this computer, LAN, internet, relay. Empty: it is not connected."""
    inbound: bool
    since: int
    last_seen: int
    """When a link to it was last there; 0: never."""
    last_sync: int
    """When a session last ended; 0: never."""
    last_sync_new: int
    last_sync_missing: int
    """Records that it had in the last session, and that did not come or were not believed."""
    is_behind: bool
    """It is connected, and no session in which all came has ended lately."""
    records: int
    """Records known here of which it is the author."""
    rejected: int
    """What it sent against the rules since this node started."""
    received_bytes: int
    """On streams with it, in the last hour."""
    sent_bytes: int
    standing: str
    """own, met, vouched, proven, stranger, doubted, not believed"""
    score: float
    """Of its standing, 0 to 1."""
    standing_why: list[str]


class Connected(Answer, frozen=True):
    node: str
    name: str


class Happening(Answer, frozen=True):
    """One line of what `watch` tells while it happens."""

    at: int
    what: str
    """Such as peer_up, design_new, offer_in, lease_out, job_started, job_ended."""
    fields: dict[str, str | int]


class HolderLine(Answer, frozen=True):
    """A peer that has a design's files, or is said to have them."""

    node: str
    name: str
    how: str
    """author, promised, served before, routing server, DHT"""
    where: str
    """Which routing server, or which DHT: LAN or WAN."""
    is_connected: bool
    addresses: list[str]


class Found(Answer, frozen=True):
    """Who has what is under a root, as far as could be found out."""

    root: str
    is_here: bool
    holders: list[HolderLine]
    looked: list[str]
    """Where was looked besides, and with what success."""
    denied: str = ""
    """Why this node will have nothing to do with it, and who says so; empty: it will."""
