"""UnixFS: files and folders as trees of blocks, with the same CIDs as Kubo gives them.

This is the door; behind it are `write.py`, `read.py`, `hamt.py` for large
folders, `data.py` for the message in a node, and `profiles.py` for the ways to cut.
`folders.py` carries whole folders from and to disk. Rules: specs/unixfs.md.
"""

from .data import FOLDER_ENTRIES_MAX, Entry, NotSupported, Stat, Tree
from .profiles import DEFAULT_PROFILE, PROFILES, Profile, profile_named
from .read import (
    FILE_BLOCKS_MAX,
    FILE_BYTES_MAX,
    FILE_DEPTH_MAX,
    WALK_BLOCKS_MAX,
    blocks_of,
    links,
    list_folder,
    read_file,
    resolve,
    stat,
    walk,
)
from .write import (
    FOLDER_BYTES_MAX,
    Making,
    Source,
    add_entries,
    add_file,
    add_tree,
    file_blocks,
    folder_blocks,
    put,
)

__all__ = [
    "DEFAULT_PROFILE",
    "FILE_BLOCKS_MAX",
    "FILE_BYTES_MAX",
    "FILE_DEPTH_MAX",
    "FOLDER_BYTES_MAX",
    "FOLDER_ENTRIES_MAX",
    "PROFILES",
    "WALK_BLOCKS_MAX",
    "Entry",
    "Making",
    "NotSupported",
    "Profile",
    "Source",
    "Stat",
    "Tree",
    "add_entries",
    "add_file",
    "add_tree",
    "blocks_of",
    "file_blocks",
    "folder_blocks",
    "links",
    "list_folder",
    "profile_named",
    "put",
    "read_file",
    "resolve",
    "stat",
    "walk",
]
