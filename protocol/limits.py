"""What one message, one record and one peer may cost: name, value, unit and reason.

Bounds that belong to one protocol alone stand with it, and on its page in specs/. The same
table stands in specs/limits.md, and a test holds the two equal.
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
"""Keys of one map. The widest record kind has 19."""
TEXT_BYTES_MAX = 4 * KIB
"""One text in a record: a description, a reason."""
HALF_BYTES_MAX = BODY_BYTES_MAX + 256
"""A sealed record of any kind but a proof: the body, and a frame of at most 171 bytes."""
PROOF_BYTES_MAX = 2 * HALF_BYTES_MAX + 512
"""A proof's body: two sealed records, and what stands around them."""
ENVELOPE_BYTES_MAX = PROOF_BYTES_MAX + 256
"""A sealed record of any kind."""

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
PATIENCE_MS_MAX = 14 * DAY_MS
"""What a buyer may ask for more than both: letters that go there and back by stick."""
LEASE_TERM_MS_MAX = 31 * DAY_MS
"""The furthest end of a window that an owner promises."""
WINDOW_KNOWN_MS = DAY_MS
"""How long after its end a window is told of: by then the two sides of a cut have met."""
REPLICA_TERM_MS_MAX = 731 * DAY_MS
"""A promise to keep a tree ends within two years, or is made anew."""
VOUCH_TERM_MS_MAX = 731 * DAY_MS
"""A vouch ends within two years, or is made anew."""
GRACE_MS_MIN = SECOND_MS
GRACE_MS_MAX = DAY_MS
"""How long after a window's end a silent owner may still report, before the next epoch."""

# Trade.
QUANTITY_MAX = 100_000
"""Pieces of one part in one order."""
GRAMS_PER_KWH_MAX = 5_000
"""CO2e of a kilowatt-hour in one hour of the day: more than any generator gives off."""
GUARDIANS_MAX = 3
"""Of an order: two of three can grant, whichever is lost."""
PAPERS_MAX = 4
"""Records that a guardian is shown at once: a request, an offer, a lease and its end."""
WINDOWS_OVER_MAX = 64
"""Windows that one window names as over; an owner that would have to name more gives no lease."""
JOBS_PER_ORDER_MAX = 512
"""Jobs that one order is split into."""
MACHINES_PER_WORKSHOP_MAX = 200
"""Machines in one capacity record; more would not fit the body."""
MATERIALS_PER_MACHINE_MAX = 16
WINDOWS_PER_WEEK_MAX = 21
"""Hours of a machine: three a day."""
LICENCES_PER_MACHINE_MAX = 32
"""Licences that a machine's owner makes designs of."""
LENGTH_UM_MAX = 100_000_000
"""A side of a part or a machine: 100 m."""
PART_SECONDS_MAX = 366 * 86_400
"""Machine time of one piece, or of a set-up: a year."""
MASS_MG_MAX = 10**12
"""A piece, or a stock: 1,000 tonnes."""
PRICE_MINOR_MAX = 10**11
"""For an hour or a kilogram: a thousand million of a currency."""
POWER_W_MAX = 1_000_000
"""Of one machine."""
SPEED_PERMILLE_MAX = 100_000
"""A hundred times as fast as an ordinary machine: more is a claim and no machine."""
MEASURES_BYTES_MAX = 4 * KIB
"""What a buyer chose of one part, sealed: of spectacles, 1.1 KiB."""
PARTS_PER_DESIGN_MAX = 200
FINGERPRINT_BYTES_MAX = 96
"""Of a part's form."""
ORIGINS_PER_DESIGN_MAX = 16
"""Designs that one design says it was made from."""
TAGS_PER_DESIGN_MAX = 32
"""Words that one design is filed under."""
WISHES_MAX = 64
"""Wishes of one node."""
DENIALS_MAX = 400
"""Entries of one deny-list: with reasons of ordinary length they fit the body."""

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
SYNC_MESSAGE_BYTES_MAX = 2 * MIB
"""One message of a sync session: a megabyte of records, one more, and short ids."""
SYNC_RANGES_MAX = 8192
"""Ranges in one message of a sync session. Answering takes a fraction of a second."""
SYNC_IDS_MAX = 32768
"""Short ids in one message of a sync session: what a follower remembers of it."""
SYNC_RECORDS_MAX = 4096
"""Records in one message of a sync session. They end at a megabyte before that."""
GOSSIP_FRAME_BYTES_MAX = MIB
"""One frame of gossip."""
GOSSIP_ITEMS_PER_S_MAX = 200
"""Items of gossip of one peer that are taken a second, a long record as several: the rest waits."""
GOSSIP_ITEMS_BURST_MAX = 1000
"""The same at once, after a pause."""

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

# The door: connections, before anybody has proven a key and after.
NEGOTIATION_BYTES_MAX = KIB
"""One line of multistream-select, the name of a protocol."""
HANDSHAKE_S_MAX = 10
"""From an open connection to a proven key; half-open and slow ones end here."""
KNOCKING_MAX = 128
"""Handshakes under way. Known addresses are not held to it."""
KNOCKING_PER_ADDRESS_MAX = 32
"""Handshakes under way from one address, or one /64 of IPv6, known or not."""
KNOCKING_PER_SUBNET_MAX = 64
"""The same from one /24, or one /48 of IPv6, of addresses that are not known."""
INSIDE_MAX = 256
"""Inbound connections, the places of known peers included."""
INSIDE_OF_STRANGERS_MAX = 192
"""Of them, those of peers that this node has no reason to know: the others' places are kept."""
INSIDE_PER_ADDRESS_MAX = 64
"""Inbound connections from one address: a makerspace behind one router, or a test town."""
INSIDE_PER_SUBNET_MAX = 128
"""The same from one /24 or /48: who rents a block of addresses leaves room for others."""

# Streams: what a peer may cost once it is known.
MESSAGE_STALL_S_MAX = 10
"""A message that has begun is read within so many seconds…"""
MESSAGE_RATE_BYTES_PER_S = 16 * KIB
"""…and one more for each 16 KiB: who is slower is cut off."""
STREAM_IDLE_S_MAX = 120
"""An exchange on which no byte moves for so long is over."""
STREAM_S_MAX = 1800
"""An exchange is over by then, whatever moves."""
STREAMS_PER_PEER_MAX = 64
"""Streams that a peer may have open here at a time; one more is reset."""
FRAMES_PER_S_MAX = 4096
"""Frames of a connection that are taken a second, after as many at once: the rest waits."""
UNREAD_BYTES_PER_PEER_MAX = 8 * MIB
"""What one connection may have sent and nobody has read; beyond it, the connection ends."""
UNREAD_BYTES_MAX = 32 * MIB
"""The same of all connections: beyond it, the one that holds most of it ends."""

# Relays, and how a node learns how it is reached.
RELAY_MESSAGE_BYTES_MAX = 4 * KIB
"""One message of circuit relay, DCUtR or AutoNAT: what the libp2p specs allow."""
RELAY_ADDRESSES_MAX = 16
"""Addresses in one of them, or in one identity."""
IDENTIFY_BYTES_MAX = 32 * KIB
"""One identity. Kubo's, with some thirty protocols and a signed record, takes 3 KiB."""

assert BODY_BYTES_MAX < HALF_BYTES_MAX < PROOF_BYTES_MAX < ENVELOPE_BYTES_MAX < FRAME_BYTES_MAX
assert BLOCK_BYTES_MAX < FRAME_BYTES_MAX
