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
from msgspec import Meta, Struct

from . import encoding, envelope
from .errors import Malformed
from .ids import NodeId, RecordId
from .limits import (
    DENIALS_MAX,
    GRACE_MS_MAX,
    GRACE_MS_MIN,
    HALF_BYTES_MAX,
    JOBS_PER_ORDER_MAX,
    MACHINES_PER_WORKSHOP_MAX,
    MATERIALS_PER_MACHINE_MAX,
    ORIGINS_PER_DESIGN_MAX,
    PARTS_PER_DESIGN_MAX,
    QUANTITY_MAX,
    TAGS_PER_DESIGN_MAX,
)

Name = Annotated[str, Meta(min_length=1, max_length=120)]
Text = Annotated[str, Meta(max_length=2000)]
Path = Annotated[str, Meta(min_length=1, max_length=400)]
Tag = Annotated[str, Meta(min_length=1, max_length=40)]
Currency = Annotated[str, Meta(min_length=1, max_length=12)]
Count = Annotated[int, Meta(ge=0, le=2**53)]
Pieces = Annotated[int, Meta(ge=1, le=QUANTITY_MAX)]
Epoch = Annotated[int, Meta(ge=1, le=10_000)]
Node = Annotated[bytes, Meta(min_length=32, max_length=32)]
Id = Annotated[bytes, Meta(min_length=32, max_length=32)]
Order16 = Annotated[bytes, Meta(min_length=16, max_length=16)]
Cid = Annotated[bytes, Meta(min_length=4, max_length=80)]
Sealed = Annotated[bytes, Meta(min_length=1, max_length=HALF_BYTES_MAX)]
Size = tuple[Count, Count, Count]


class _Value(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A part of a record. What equals its default is left out of the encoding."""


class Body(_Value, frozen=True, kw_only=True):
    """What every record begins with."""

    stream: Name
    """The kind, alone or followed by "/" and what tells the author's streams of it apart."""
    seq: Annotated[int, Meta(ge=1, le=2**53)]
    at: Count
    """When the author says that it was signed."""
    until: Count = 0
    """When it stops being true; 0: never."""


class Place(_Value, frozen=True, kw_only=True):
    """Somewhere on Earth (WGS 84), no more exactly than its owner tells."""

    lat_udeg: Annotated[int, Meta(ge=-90_000_000, le=90_000_000)]
    lon_udeg: Annotated[int, Meta(ge=-180_000_000, le=180_000_000)]
    accuracy_m: Count = 0


class Part(_Value, frozen=True, kw_only=True):
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
    seconds: Count
    """Machine time for one piece at ordinary speed."""
    mass_mg: Count


class Origin(_Value, frozen=True, kw_only=True):
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


class Stock(_Value, frozen=True, kw_only=True):
    """A material that a machine can use now."""

    material: Name
    mass_mg: Count
    price_minor_per_kg: Count


class Machine(_Value, frozen=True, kw_only=True):
    """What one machine can do, and from when on."""

    id: Name
    """Unique in its workshop."""
    process: Name
    model: Text = ""
    volume_um: Size
    """The largest box that fits, x, y, z."""
    stock: Annotated[tuple[Stock, ...], Meta(max_length=MATERIALS_PER_MACHINE_MAX)]
    speed_permille: Annotated[int, Meta(ge=1, le=1_000_000_000)] = 1000
    """Machine time per ordinary machine time, upside down: 2000 is twice as fast."""
    setup_seconds: Count = 0
    """Between two jobs: clearing, loading, heating."""
    price_minor_per_hour: Count
    power_w: Count
    free_at: Count
    """When its queue ends."""
    takes_jobs: bool = True


class Capacity(Body, frozen=True, kw_only=True):
    """All machines of one workshop. Short-lived; the newest replaces the others."""

    currency: Currency
    grid_g_per_kwh: Count
    """Grams of CO2e for a kilowatt-hour used here."""
    machines: Annotated[tuple[Machine, ...], Meta(max_length=MACHINES_PER_WORKSHOP_MAX)]


class Revocation(Body, frozen=True, kw_only=True):
    """The author's own key is not to be trusted from `since` on."""

    since: Count
    reason: Text


class Replica(Body, frozen=True, kw_only=True):
    """The author promises to keep a tree of blocks until `until`, and to prove it when asked.
    The stream is made from the root (specs/keeping.md); the newest in it counts."""

    root: Cid
    """As version 1, so that it is one root to all."""
    size_bytes: Count
    """About how much it is."""
    withdrawn: bool = False
    """The promise is taken back; `until` is that of the promise."""


class Proof(Body, frozen=True, kw_only=True):
    """Two records that one author signed for one place, so that anybody can see it.

    It has no author of its own: it is sealed with a key that everybody has, and its bytes
    follow from the two (specs/admission.md).
    """

    first: Sealed
    """As sealed; the one with the lower id."""
    second: Sealed


class Vouch(Body, frozen=True, kw_only=True):
    """The author knows a node and stands up for it. The newest in its stream counts, which is
    "vouch/" and the subject in hexadecimal."""

    subject: Node
    weight_permille: Annotated[int, Meta(ge=0, le=1000)]
    """How far the author would trust it with a job of its own; 0 takes the vouch back."""
    reason: Annotated[str, Meta(max_length=200)] = ""
    """What for, in words for people."""


class Denial(_Value, frozen=True, kw_only=True):
    """Something that the author of a deny-list will have nothing to do with."""

    what: Literal["author", "design", "root"]
    name: Annotated[bytes, Meta(min_length=4, max_length=80)]
    """A node, a design's record, or the CID of a root as version 1."""
    reason: Annotated[str, Meta(max_length=200)] = ""


class Denylist(Body, frozen=True, kw_only=True):
    """What the author denies. Nobody is held to it who has not subscribed to it."""

    entries: Annotated[tuple[Denial, ...], Meta(max_length=DENIALS_MAX)]


class Job(_Value, frozen=True, kw_only=True):
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


class Offer(Letter, frozen=True, kw_only=True):
    """The owner promises a window on a machine, if it is taken in time."""

    request: Id
    machine: Name
    start: Count
    end: Count
    held_until: Count
    price_minor: Count
    currency: Currency
    machine_seconds: Count
    mass_mg: Count
    energy_mwh: Count
    co2e_mg: Count


class Refusal(Letter, frozen=True, kw_only=True):
    """No, and why. `about` is the request or acceptance that it answers."""

    about: Id
    reason: Text


class Acceptance(Letter, frozen=True, kw_only=True):
    """The buyer takes an offer."""

    offer: Id


class Lease(Letter, frozen=True, kw_only=True):
    """The owner's side of the lease; with the acceptance, both have signed.

    Its stream is the machine's, and `previous` chains the machine's leases, so that two
    leases that overlap are a proof against the owner that anyone can check.
    """

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
    previous: Id | None = None


class Grant(Letter, frozen=True, kw_only=True):
    """The buyer lets the leased job start. At most one for a job and epoch."""

    lease: Id
    use_by: Count
    """By the owner's clock: it starts by then, or the lease is over. So the buyer need not
    wait for a window that is far off to know that nothing was begun."""
    order: Order16
    job: Count
    epoch: Epoch


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
        Design, Workshop, Capacity, Revocation, Replica, Proof, Vouch, Denylist, Order, Request,
        Offer, Refusal, Acceptance, Lease, Grant, Progress, Release, Receipt,
    )
}  # fmt: skip
PUBLIC = frozenset(
    {"design", "workshop", "capacity", "revocation", "replica", "proof", "vouch", "denylist"}
)
"""Passed on to everybody, by gossip and sync. All others are between two nodes, or private."""
LATEST = frozenset({"workshop", "capacity", "denylist"})
"""Of these, only the newest of an author counts. Their stream is the kind itself."""
TRANSIENT = frozenset({"progress", "refusal"})
"""Heard and never stored."""


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
