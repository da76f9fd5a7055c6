"""The ports of a node whose settings name none: taken again at the next start.

An address that others know, from an invitation or as a friend's, then still leads here.
"""

import re
import socket
from collections.abc import Iterable, Sequence
from pathlib import Path

from commonfab.protocol.errors import ResourceError

from .durable_file import replace, write_new

_PLACE = re.compile(r"/(ip[46])/([0-9a-f.:]+)/tcp/([0-9]+)")
_FAMILIES = {"ip4": socket.AF_INET, "ip6": socket.AF_INET6}


def taken_again(listen: Sequence[str], note: Path) -> list[str]:
    """Return the places to listen at: with the noted port for port 0, where it is free."""
    noted = _read(note)
    chosen: list[str] = []
    for place in listen:
        found = _PLACE.fullmatch(place)
        if found and found[3] == "0":
            port = noted.pop(found[1], 0)
            if _is_free(found[1], found[2], port):
                place = f"/{found[1]}/{found[2]}/tcp/{port}"
        chosen.append(place)
    return chosen


def remember(listen: Sequence[str], addresses: Iterable[str], note: Path) -> None:
    """Note the port that stands for port 0 in what this node listens at, for each family."""
    asked = {found[1] for place in listen if (found := _PLACE.fullmatch(place)) and found[3] == "0"}
    now: dict[str, int] = {}
    for address in addresses:
        found = _PLACE.match(address)
        if found and found[1] in asked and "/p2p-circuit" not in address:
            now.setdefault(found[1], int(found[3]))
    if now and now != _read(note):
        data = "".join(f"{family} {port}\n" for family, port in sorted(now.items())).encode()
        if note.exists():
            replace(note, data)
        else:
            write_new(note, data, mode=0o600)


def _read(note: Path) -> dict[str, int]:
    """Return the noted ports by family; none where the file is absent or not what was written."""
    try:
        words = [line.split() for line in note.read_text("ascii").splitlines()]
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise ResourceError(f"{note}: cannot be read ({error}); remove it") from error
    return {
        line[0]: int(line[1])
        for line in words
        if len(line) == 2 and line[0] in _FAMILIES and line[1].isdecimal()
    }


def _is_free(family: str, host: str, port: int) -> bool:
    if not 0 < port < 1 << 16:
        return False
    with socket.socket(_FAMILIES[family], socket.SOCK_STREAM) as tried:
        try:
            tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            tried.bind((host, port))
        except OSError:
            return False
    return True
