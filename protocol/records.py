"""The kinds of records: everything that one node says to another and signs.

Units are in the names: `_um` micrometres, `_mm3`, `_mm2`, `_mg` milligrams, `_ms`
milliseconds, `_mwh` milliwatt-hours, `_minor` hundredths (or the like) of a currency,
`_udeg` millionths of a degree. There are no floats on the wire. Times are `Timestamp`.

Every body begins with the same four fields. `stream` and `seq` give a record its place
among its author's: within a stream, `seq` rises strictly and no number is used twice.
"""

from dataclasses import dataclass
from typing import Annotated, Literal, TypeVar, cast

import msgspec
from msgspec import Meta

from . import encoding, envelope
from .body import Body, Value
from .errors import Malformed
from .fields import (
    Basis,
    Celsius,
    Cid,
    Count,
    Currency,
    Epoch,
    Fine,
    Grams,
    Guardians,
    Hours,
    Id,
    Mass,
    Measures,
    Name,
    Node,
    Order16,
    Path,
    Patience,
    Pieces,
    Power,
    Price,
    Sealed,
    Seconds,
    Size,
    Speed,
    Tag,
    Text,
)
from .hours import HOURS_PER_DAY
from .ids import NodeId, RecordId
from .limits import (
    FINGERPRINT_BYTES_MAX,
    GRACE_MS_MAX,
    GRACE_MS_MIN,
    JOBS_PER_ORDER_MAX,
    LICENCES_PER_MACHINE_MAX,
    MACHINES_PER_WORKSHOP_MAX,
    MATERIALS_PER_MACHINE_MAX,
    ORIGINS_PER_DESIGN_MAX,
    PAPERS_MAX,
    PARTS_PER_DESIGN_MAX,
    TAGS_PER_DESIGN_MAX,
    WINDOWS_OVER_MAX,
)
from .statements import Denylist, Replica, Revocation, Vouch


class Place(Value, frozen=True, kw_only=True):
    """Somewhere on Earth (WGS 84), no more exactly than its owner tells."""

    lat_udeg: Annotated[int, Meta(ge=-90_000_000, le=90_000_000)]
    lon_udeg: Annotated[int, Meta(ge=-180_000_000, le=180_000_000)]
    accuracy_m: Count = 0


class Part(Value, frozen=True, kw_only=True):
    """One thing to make, with facts measured from its file and first estimates for one piece."""

    name: Name
    file: Path
    """Below the design's root."""
    process: Name
    material: Name
    pieces: Pieces = 1
    """How many of it one design needs."""
    bbox_um: Size
    volume_mm3: Count
    area_mm2: Count
    watertight: bool
    seconds: Seconds
    """Machine time for one piece at ordinary speed."""
    mass_mg: Mass
    nozzle_um: Fine = 0
    """The widest nozzle, or other tool, that makes its details; 0: any."""
    tolerance_um: Fine = 0
    """How far a length may be off; 0: not asked."""
    temperature_c: Celsius = 0
    """What its material must be heated to; 0: not said."""
    licence: Annotated[str, Meta(max_length=120)] = ""
    """SPDX expression, for those who see the part without its design; empty: not said."""
    fingerprint: Annotated[bytes, Meta(max_length=FINGERPRINT_BYTES_MAX)] = b""
    """Of its form, the same however it is turned, scaled or meshed; empty: not known."""
    scad: Annotated[str, Meta(max_length=255)] = ""
    """An OpenSCAD file below the root, from which it is made to each buyer's measure: the file and
    the facts are those of an example. Empty: as in the file."""


class Origin(Value, frozen=True, kw_only=True):
    """A design that another one was made from."""

    design: Id
    """Its record. A record is named by its hash, so no chain of origins leads back to itself."""
    relation: Literal["fork", "remix"]
    """A fork is the same thing, changed; a remix takes something of it into another thing."""


class Design(Body, frozen=True, kw_only=True):
    """One version of a design. Its stream is "design/" and the design's short name."""

    name: Name
    version: Name
    licence: Name
    """SPDX expression."""
    licensor: Name
    function: Text
    root: Cid
    """The folder that holds the manifest and all files."""
    manifest: Path | None = None
    """None: there is none, and what is said here is inferred from the files."""
    picture: Path | None = None
    parameters: Path | None = None
    """A JSON Schema below the root: what a buyer chooses (specs/measures.md)."""
    parts: Annotated[tuple[Part, ...], Meta(min_length=1, max_length=PARTS_PER_DESIGN_MAX)]
    size_bytes: Count
    language: Annotated[str, Meta(max_length=35)] = ""
    """Of its texts, as a BCP 47 tag; empty: not said."""
    derived_from: Annotated[tuple[Origin, ...], Meta(max_length=ORIGINS_PER_DESIGN_MAX)] = ()
    """What it was made from, each named once. An earlier version of its own stream is not told:
    the stream tells it."""
    tags: Annotated[tuple[Tag, ...], Meta(max_length=TAGS_PER_DESIGN_MAX)] = ()
    """Words that its author files it under; case does not matter."""


class Workshop(Body, frozen=True, kw_only=True):
    """A place that makes things. The newest replaces the others."""

    name: Name
    about: Text = ""
    place: Place
    addresses: Annotated[tuple[Path, ...], Meta(max_length=16)] = ()
    """Multiaddrs at which the node may be reached."""


class Stock(Value, frozen=True, kw_only=True):
    """A material that a machine can use now."""

    material: Name
    mass_mg: Mass
    price_minor_per_kg: Price
    lot: Annotated[str, Meta(max_length=40)] = ""
    """Of its maker, by which it can be traced; empty: not said."""
    recycled_permille: Annotated[int, Meta(ge=0, le=1000)] = 0
    """How much of it was something else before; 0: not said."""


class Machine(Value, frozen=True, kw_only=True):
    """What one machine can do, and from when on."""

    id: Name
    """Unique in its workshop."""
    process: Name
    model: Text = ""
    volume_um: Size
    """The largest box that fits, x, y, z."""
    stock: Annotated[tuple[Stock, ...], Meta(max_length=MATERIALS_PER_MACHINE_MAX)]
    speed_permille: Speed = 1000
    """Machine time per ordinary machine time, upside down: 2000 is twice as fast."""
    setup_seconds: Seconds = 0
    """Between two jobs: clearing, loading, heating."""
    price_minor_per_hour: Price
    power_w: Power
    free_at: Count
    """When its queue will probably end."""
    takes_jobs: bool = True
    nozzle_um: Fine = 0
    """Diameter of the nozzle, or other tool, that is mounted; 0: not said."""
    tolerance_um: Fine = 0
    """How far a length of what it makes may be off; 0: not said."""
    temperature_c: Celsius = 0
    """How hot it makes a material; 0: not said."""
    hours: Hours = ()
    """When it may run: a job's whole window lies in one of them."""
    attended: Hours = ()
    """When someone is there: a job is begun, and cleared away, in one of them."""
    licences: Annotated[tuple[Name, ...], Meta(max_length=LICENCES_PER_MACHINE_MAX)] = ()
    """SPDX identifiers of the licences whose designs it makes; empty: not said."""
    makes_for: Literal["everyone", "known"] | None = None
    """Whose jobs it takes: everyone's, or those of nodes that its owner knows. None: not said."""


class Capacity(Body, frozen=True, kw_only=True):
    """All machines of one workshop. Short-lived; the newest replaces the others."""

    currency: Currency
    grid_g_per_kwh: Grams
    """Grams of CO2e for a kilowatt-hour used here, on average of the day."""
    intensity: Annotated[tuple[Grams, ...], Meta(max_length=HOURS_PER_DAY)] = ()
    """The same for each hour of the day, from 00:00 UTC on, as it comes next; 24 of them, or none:
    then every hour is as the average."""
    basis: Basis = ""
    """What these numbers rest on; empty: not said."""
    machines: Annotated[tuple[Machine, ...], Meta(max_length=MACHINES_PER_WORKSHOP_MAX)]


class Proof(Body, frozen=True, kw_only=True):
    """Two records that one author signed for one place, so that anybody can see it.

    It has no author of its own: it is sealed with a key that everybody has, and its bytes
    follow from the two (specs/admission.md).
    """

    first: Sealed
    """As sealed; the one with the lower id."""
    second: Sealed


class Window(Body, frozen=True, kw_only=True):
    """The public half of a lease: a machine's owner says that a window on it is taken.

    Its stream is the machine's. Of two that overlap, the later one names the other as over, or
    they are a proof against the owner that anyone can check (specs/lease.md).
    """

    machine: Name
    start: Count
    end: Count
    """By when the job is promised to be made."""
    length_ms: Count
    """The machine's time that it takes; the rest of the window is leeway."""
    acceptance: Id
    """The buyer's, which is not told: it fixes for what the window was given."""
    previous: Id | None = None
    """The window before it on this machine."""
    over: Annotated[tuple[Id, ...], Meta(max_length=WINDOWS_OVER_MAX)] = ()
    """Earlier windows that overlap with this one, and of which nothing more will be made."""


class Job(Value, frozen=True, kw_only=True):
    """Some pieces of one part of an order, for one machine."""

    part: Name
    pieces: Pieces


class Order(Body, frozen=True, kw_only=True):
    """What a buyer wants made. Stays on the buyer's own disk."""

    order: Order16
    design: Id
    """The design's record."""
    quantity: Pieces
    """Designs, not pieces: a design may need several pieces of a part."""
    place: Place
    by: Count = 0
    """When it should be there; 0: no date."""
    jobs: Annotated[tuple[Job, ...], Meta(min_length=1, max_length=JOBS_PER_ORDER_MAX)]
    grace_ms: Annotated[int, Meta(ge=GRACE_MS_MIN, le=GRACE_MS_MAX)]
    cancelled: bool = False
    profile: Annotated[str, Meta(max_length=120)] = ""
    """What counts how much when its machines are chosen; empty: as the node is set."""
    whole: bool = False
    """Nothing of it is taken before each of its jobs has an offer."""
    guardians: Guardians = ()
    """Three nodes, the buyer first, of which two must grant each job; none: the buyer grants."""
    patience_ms: Patience = 0
    """How long an answer may take, there and back, where letters travel slowly."""
    hour_minor: Count = 0
    """What an hour's wait costs its buyer; 0: not said."""


class Letter(Body, frozen=True, kw_only=True):
    """A record that is meant for one node."""

    to: Node


class Request(Letter, frozen=True, kw_only=True):
    """The buyer asks one workshop for a firm offer on a job."""

    order: Order16
    job: Count
    epoch: Epoch
    """The attempt at this job. A higher epoch fences off all lower ones."""
    design: Id
    part: Part
    pieces: Pieces
    by: Count = 0
    grace_ms: Annotated[int, Meta(ge=GRACE_MS_MIN, le=GRACE_MS_MAX)]
    """How long after the window's end the owner may still report before the next epoch."""
    guardians: Guardians = ()
    """Of the order: two of them must grant the job; none: the author of this grants it."""
    patience_ms: Patience = 0
    """How long the owner is asked to keep its offer; 0: as long as it keeps any."""
    hour_minor: Count = 0
    """What an hour's wait costs the buyer: which of its machines the owner offers; 0: the one
    that ends first."""
    instead: Id | None = None
    """The lease that the job has, and would leave for a better one; none: not said."""


class Offer(Letter, frozen=True, kw_only=True):
    """The owner promises a window on a machine, if it is taken in time."""

    request: Id
    machine: Name
    start: Count
    end: Count
    """The job is made by then. Where the window is longer than the job, the owner may make others
    first."""
    length_ms: Count = 0
    """The machine's time that it takes; 0: the whole window."""
    held_until: Count
    price_minor: Count
    currency: Currency
    machine_seconds: Count
    mass_mg: Count
    energy_mwh: Count
    co2e_mg: Count
    basis: Basis = ""
    """What the CO2e rests on; empty: not said."""
    seal_key: Id | None = None
    """For a part that is made to measure: a key that is used once, to seal the measures to."""


class Refusal(Letter, frozen=True, kw_only=True):
    """No, and why. `about` is the request or acceptance that it answers."""

    about: Id
    reason: Text


class Acceptance(Letter, frozen=True, kw_only=True):
    """The buyer takes an offer."""

    offer: Id
    measures: Measures | None = None
    """What was chosen of a part that is made to measure, sealed to the offer's key."""


class Lease(Letter, frozen=True, kw_only=True):
    """The owner's side of the lease; with the acceptance, both have signed."""

    acceptance: Id
    request: Id
    order: Order16
    job: Count
    epoch: Epoch
    machine: Name
    start: Count
    start_by: Count
    """Without a grant by then, the slot is free again."""
    end: Count
    length_ms: Count = 0
    """As in the offer."""
    window: Sealed
    """The public half, a record of its own."""


class Grant(Letter, frozen=True, kw_only=True):
    """A guardian of the order, by default its buyer, lets the leased job start. At most one of
    each for a job and epoch."""

    lease: Id
    use_by: Count
    """By the owner's clock: it starts by then, or the lease is over. So the buyer need not
    wait for a window that is far off to know that nothing was begun."""
    order: Order16
    job: Count
    epoch: Epoch


class Evidence(Letter, frozen=True, kw_only=True):
    """What a guardian of an order is shown: records of others, as they were signed."""

    order: Order16
    papers: Annotated[tuple[Sealed, ...], Meta(min_length=1, max_length=PAPERS_MAX)]
    over: bool = False
    """Nothing more of the order is to be made."""


class Progress(Letter, frozen=True, kw_only=True):
    """How a leased job stands. Never stored; the next one replaces it."""

    lease: Id
    state: Literal["ready", "running", "paused"]
    """`ready` asks for the grant."""
    permille: Annotated[int, Meta(ge=0, le=1000)] = 0


class Release(Letter, frozen=True, kw_only=True):
    """The author gives up what `about` (its own or the other's offer or lease) held."""

    about: Id
    reason: Text
    if_gain: bool = False
    """It gives up nothing yet: the owner is asked to, if it gains by it."""


class Receipt(Letter, frozen=True, kw_only=True):
    """What became of a lease. The owner says `made` or `failed`, the buyer `confirmed`."""

    lease: Id
    statement: Literal["made", "failed", "confirmed"]
    about: Id | None = None
    """For `confirmed`: the owner's receipt."""
    epoch: Epoch
    pieces: Count
    """Good pieces; a failed job may have some."""
    started: Count = 0
    ended: Count = 0
    machine_seconds: Count = 0
    mass_mg: Count = 0
    energy_mwh: Count = 0
    co2e_mg: Count = 0
    price_minor: Count = 0
    currency: Currency = "EUR"
    reason: Text = ""


KINDS: dict[str, type[Body]] = {
    kind.__name__.lower(): kind
    for kind in (
        Design, Workshop, Capacity, Revocation, Replica, Proof, Vouch, Denylist, Window, Order,
        Request, Offer, Refusal, Acceptance, Lease, Grant, Evidence, Progress, Release, Receipt,
    )
}  # fmt: skip
PUBLIC = frozenset(
    {
        "design", "workshop", "capacity", "revocation", "replica", "proof", "vouch", "denylist",
        "window",
    }
)  # fmt: skip
"""Passed on to everybody, by gossip and sync. All others are between two nodes, or private."""
LATEST = frozenset({"workshop", "capacity", "denylist"})
"""Of these, only the newest of an author counts. Their stream is the kind itself."""
TRANSIENT = frozenset({"progress", "refusal", "evidence"})
"""Heard and never stored. What a node must remember of them, it keeps in words of its own."""


B = TypeVar("B", bound=Body)


@dataclass(frozen=True, slots=True)
class Record:
    """A body with its author and its proof."""

    id: RecordId
    author: NodeId
    kind: str
    body: Body
    data: bytes
    """The exact signed bytes, which are kept and passed on."""


def kind_of(body: Body) -> str:
    return type(body).__name__.lower()


def sign(body: Body, signer: envelope.Signer) -> Record:
    """Return `body` as a record of the signer's node.

    Raises `Malformed` if the body breaks a bound: this node signs nothing it would refuse.
    """
    kind = kind_of(body)
    plain = cast("dict[str, encoding.Value]", msgspec.to_builtins(body, builtin_types=(bytes,)))
    data = encoding.encode(plain, envelope.body_bytes_max(kind))
    _convert(kind, plain)
    sealed = envelope.seal(kind, data, signer)
    return Record(sealed.id, sealed.author, kind, body, sealed.data)


def read(sealed: envelope.Envelope) -> Record:
    """Return what a verified envelope says, or raise `Malformed`."""
    plain = encoding.decode(sealed.body, envelope.body_bytes_max(sealed.kind))
    body = _convert(sealed.kind, plain)
    return Record(sealed.id, sealed.author, sealed.kind, body, sealed.data)


def _convert(kind: str, plain: dict[str, encoding.Value]) -> Body:
    if kind not in KINDS:
        raise Malformed(f"records of kind {kind!r} are not known here")
    try:
        # Bytes are bytes: left to itself, msgspec takes a text for them as base64.
        return msgspec.convert(plain, KINDS[kind], strict=True, builtin_types=(bytes,))
    except msgspec.ValidationError as error:
        raise Malformed(f"{kind}: {error}") from error
