"""Every bound of the wire protocol in one table: name, value, unit and reason.

The same table stands in specs/limits.md, and a test holds the two equal.
"""

KIB = 1024
MIB = 1024 * KIB
SECOND_MS = 1000
MINUTE_MS = 60 * SECOND_MS
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS

# Encoding: checked before anything is built from the bytes.
BODY_BYTES_MAX = 64 * KIB
"""A record's body. A capacity record of 50 machines takes about 10 KiB."""
DEPTH_MAX = 16
"""Nested maps and arrays. The deepest record kind uses 5."""
ITEMS_MAX = 4096
"""Keys, values and elements in one body. Bounds the time to walk it."""
MAP_KEYS_MAX = 64
"""Keys of one map. The widest record kind has 24."""
TEXT_BYTES_MAX = 4 * KIB
"""One text in a record: a description, a reason."""
ENVELOPE_BYTES_MAX = BODY_BYTES_MAX + 256
"""A sealed record: the body, and a frame of at most 175 bytes."""

# Time.
CLOCK_SKEW_MS_MAX = 2 * MINUTE_MS
"""How wrong an honest clock may be. Beyond it, a record is ignored, not rejected."""
CAPACITY_TERM_MS_MAX = 15 * MINUTE_MS
"""A capacity record's life: a silent workshop leaves the view within it."""
REQUEST_TERM_MS = 5 * MINUTE_MS
"""A request's life: a node that is cut off for longer need not answer it, and nobody can
play it again."""
HOLD_MS_MAX = 60 * SECOND_MS
"""How long an owner keeps a window for an offer that nobody has taken."""
LEASE_TERM_MS_MAX = 31 * DAY_MS
"""The furthest end of a window that an owner promises."""
REPLICA_TERM_MS_MAX = 731 * DAY_MS
"""A promise to keep a tree ends within two years, or is made anew."""
GRACE_MS_MIN = SECOND_MS
GRACE_MS_MAX = DAY_MS
"""How long after a window's end a silent owner may still report, before the next epoch."""

# Trade.
QUANTITY_MAX = 100_000
"""Pieces of one part in one order."""
JOBS_PER_ORDER_MAX = 512
"""Jobs that one order is split into."""
MACHINES_PER_WORKSHOP_MAX = 200
"""Machines in one capacity record; more would not fit the body."""
MATERIALS_PER_MACHINE_MAX = 16
PARTS_PER_DESIGN_MAX = 200
ORIGINS_PER_DESIGN_MAX = 16
"""Designs that one design says it was made from."""

HOLDS_PER_BUYER_MAX = 512
"""Open offers of one workshop to one buyer: those for a whole order."""

# Network.
BLOCK_BYTES_MAX = 2 * MIB
"""A block on the wire: what other IPFS implementations accept."""
FRAME_BYTES_MAX = 4 * MIB
"""One length-prefixed message on any stream of ours."""
CID_BYTES_MAX = 128
"""A CID that a peer asks for: room for hashes of 512 bits and long codec numbers."""
BITSWAP_ITEMS_MAX = 8192
"""Wants, or answers, in one Bitswap message. Bounds what is built from 4 MiB of bytes."""
BITSWAP_WANTS_MAX = 1024
"""Wants of one peer that are remembered; also what is asked of one peer at a time."""
SYNC_PAGE_IDS_MAX = 1024
"""Record ids in one page of the exchange of what is missing."""

# The DHT of IPFS: what one answer may hold.
DHT_MESSAGE_BYTES_MAX = 64 * KIB
"""One message. Twenty nearer peers and sixty-four providers with four addresses take 20 KiB."""
DHT_PEERS_MAX = 256
"""Peers that one message names."""
DHT_ADDRESSES_MAX = 16
"""Addresses of one peer that are looked at; what comes after them is passed over."""
DHT_ADDRESS_BYTES_MAX = 128
"""One binary multiaddr; a longer one is passed over."""
DHT_KEY_BYTES_MAX = 128
"""A key: a multihash or a peer id."""

assert BODY_BYTES_MAX < ENVELOPE_BYTES_MAX < FRAME_BYTES_MAX
assert BLOCK_BYTES_MAX < FRAME_BYTES_MAX
assert SYNC_PAGE_IDS_MAX < ITEMS_MAX
