"""Invitations that this node's operator accepted, until their host has been met.

A file of one text a line, for its owner alone: the command line writes it where the node does
not run, and the node tries each again until it is answered or has expired.
"""

from pathlib import Path

from commonfab.protocol.errors import UsageError
from commonfab.protocol.meeting.invitation import Invitation, read

from ..home import durable_file

ACCEPTED_MAX = 32


def load(path: Path) -> dict[str, Invitation]:
    """Return the invitations by their texts; what cannot be read any more is passed over."""
    try:
        lines = path.read_text(encoding="ascii", errors="replace").split()
    except FileNotFoundError:
        return {}
    found: dict[str, Invitation] = {}
    for line in lines[:ACCEPTED_MAX]:
        try:
            found[line] = read(line)
        except UsageError:
            continue
    return found


def add(path: Path, text: str) -> None:
    """Write down one more, durably; `UsageError` if too many wait already."""
    accepted = load(path)
    line = read(text).text()
    if len(accepted) >= ACCEPTED_MAX and line not in accepted:
        raise UsageError(f"{ACCEPTED_MAX} invitations wait for their hosts already; see {path}")
    _write(path, [*accepted, line])


def remove(path: Path, text: str) -> None:
    """Cross one out, durably."""
    accepted = load(path)
    if accepted.pop(text, None) is not None:
        _write(path, list(accepted))


def _write(path: Path, lines: list[str]) -> None:
    text = "".join(f"{line}\n" for line in dict.fromkeys(lines)).encode()
    if path.exists():
        durable_file.replace(path, text)
    else:
        durable_file.write_new(path, text, mode=0o600)
