"""What a running node answers to the command line, as typed values.

The command prints the same values as JSON with `--json`, so these names are an interface.
Ids are text: nodes as libp2p peer ids, records and orders in hexadecimal, roots as CIDs.
Times are milliseconds since 1970 UTC; lengths micrometres; masses milligrams.
"""

from msgspec import Struct

from commonfab.scheduler.explanation import Explanation


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
    peers: int
    workshops: int
    designs: int
    open_orders: int
    records: int
    blocks_bytes: int
    machines: list[MachineNow]
    warnings: list[str]
    """What needs a person: a machine that failed, a full disk, a damaged record."""


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


class Explained(Answer, frozen=True):
    """Why the machines of an order's jobs were chosen, and why the others were not."""

    order: str
    jobs: list[Explanation]


class PeerLine(Answer, frozen=True):
    node: str
    name: str
    is_connected: bool
    address: str
    inbound: bool
    since: int
    last_sync: int
    """When a session last ended; 0: never."""
    last_sync_new: int
    records: int
    """Records known here of which it is the author."""
    rejected: int
    """What it sent against the rules since this node started."""


class Connected(Answer, frozen=True):
    node: str
    name: str


class Happening(Answer, frozen=True):
    """One line of what `watch` tells while it happens."""

    at: int
    what: str
    """Such as peer_up, design_new, offer_in, lease_out, job_started, job_ended."""
    fields: dict[str, str | int]
