"""The house rules: who may import whom, what is pure, what stands in one file only.

Each rule is a function from a root folder to the breaches below it. It is tried on this
repository, and on a small tree with a planted breach, so that a rule cannot sleep.
"""

import ast
import importlib.metadata
import json
import re
import subprocess
import sys
import tomllib
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatch
from functools import cache, cached_property
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FLOORS = ("protocol", "storage", "scheduler", "node")
LINES_MAX = 500

# What a floor may import of commonfab, and of libraries; None: whatever pyproject.toml declares.
MAY_IMPORT: dict[str, tuple[set[str], set[str] | None]] = {
    "protocol": (set(), {"blake3", "h3", "msgpack", "msgspec", "nacl"}),
    "storage": ({"protocol"}, {"ipfshttpclient", "requests", "urllib3"}),
    "scheduler": ({"protocol"}, {"msgspec", "networkx", "numpy", "scipy"}),
    "node": ({"protocol", "storage", "scheduler"}, None),
}
PURE_FLOORS = ("protocol", "scheduler")
# The part of the standard library that neither waits nor differs from run to run.
PURE_LIBRARY = {
    *("abc", "base64", "bisect", "collections", "contextlib", "copy", "dataclasses", "decimal"),
    *("enum", "fractions", "functools", "hashlib", "heapq", "hmac", "itertools", "math", "numbers"),
    *("operator", "re", "statistics", "string", "struct", "types", "typing", "unicodedata"),
    "weakref",
}
IMPURE_CALLS = {"open", "print", "input", "eval", "exec", "breakpoint", "__import__", "id", "hash"}
# Libraries, and the files that alone may import them.
HOMES = {
    "libp2p": "node/network/libp2p_*.py",
    "multiaddr": "node/network/libp2p_*.py",
    "Crypto": "node/network/libp2p_*.py",
    "google": "node/network/libp2p_*.py",
    "sqlite3": "storage/*",
    "ipfshttpclient": "storage/kubo/rpc.py",
    "requests": "storage/kubo/rpc.py",
    "urllib3": "storage/kubo/rpc.py",
    "msgpack": "protocol/encoding.py",
    "blake3": "protocol/multihash.py",
    "trimesh": "node/meshes/*.py",
    "cascadio": "node/meshes/load.py",
    "ezdxf": "node/meshes/drawings/dxf.py",
    "svgelements": "node/meshes/drawings/svg.py",
    "pandas": "node/energy/sky.py",
    "pvlib": "node/energy/sky.py",
    "cryptography": "node/home/keys.py",
    "jsonschema": "node/measured/parameters.py",
    "license_expression": "node/licences/spdx.py",
    "zeroconf": "node/network/mdns.py",
    "mnemonic": "node/meeting/words.py",
    "segno": "node/cli/meet.py",
    "tomlkit": "node/home/config_*.py",
    "time": "node/clock.py",
}
ONE_FILE_ONLY = {"ipfshttpclient", "trimesh", "tomlkit"}
# Programs for people around a node, not part of one: they may read the clock.
AROUND_A_NODE = ("node/cli/*.py", "node/demo/*.py")
# The doctor only tries whether libp2p loads.
VISITORS = {("node/home/doctor.py", "libp2p")}
# Libraries that come with libp2p, ipfshttpclient or pvlib, in the version that it asks for.
CARRIED = {"Crypto", "multiaddr", "google", "pandas", "requests", "urllib3"}
NAMELESS = re.compile(r"(^|_)(utils?|helpers?|common|base|managers?|misc)$")
HEAVY = ("libp2p", "lxml", "networkx", "numpy", "pandas", "pvlib", "scipy", "trimesh")


@dataclass(frozen=True)
class File:
    """One Python file of a tree."""

    root: Path
    path: Path

    @property
    def name(self) -> str:
        return self.path.relative_to(self.root).as_posix()

    @property
    def floor(self) -> str:
        return self.path.relative_to(self.root).parts[0]

    @cached_property
    def nodes(self) -> list[ast.AST]:
        return list(ast.walk(ast.parse(self.path.read_text())))

    @cached_property
    def imports(self) -> list[str]:
        """Every absolute name that is imported: `a.b` for `import a.b` and `from a import b`."""
        found: list[str] = []
        for node in self.nodes:
            match node:
                case ast.Import(names):
                    found += [alias.name for alias in names]
                case ast.ImportFrom(str(module), names, 0):
                    found += [f"{module}.{alias.name}" for alias in names]
                case _:
                    pass
        return found

    @property
    def libraries(self) -> set[str]:
        return {name.split(".")[0] for name in self.imports} - {"commonfab"}


@cache
def files(root: Path, *folders: str) -> list[File]:
    return [
        File(root, path)
        for folder in folders
        for path in sorted((root / folder).rglob("*.py"))
        if "__pycache__" not in path.parts
    ]


def floor_breaches(root: Path) -> Iterator[str]:
    """Imports that go up the table, and libraries that a floor does without."""
    for file in files(root, *FLOORS):
        floors, libraries = MAY_IMPORT[file.floor]
        for name in file.imports:
            if name.startswith("commonfab.") and name.split(".")[1] not in floors | {file.floor}:
                yield f"{file.name} imports {name}"
        foreign = file.libraries - set(sys.stdlib_module_names) - set(FLOORS)
        if libraries is not None:
            yield from (f"{file.name} imports {name}" for name in sorted(foreign - libraries))


def spelling_breaches(root: Path) -> Iterator[str]:
    """The own floor in full, floors without their name: each makes one class two."""
    for file in files(root, *FLOORS, "tests"):
        for name in file.imports:
            if name.split(".")[0] in FLOORS:
                yield f"{file.name} imports {name} without commonfab"
            if name.startswith(f"commonfab.{file.floor}."):
                yield f"{file.name} imports {name} of its own floor in full"


def purity_breaches(root: Path) -> Iterator[str]:
    """Whatever could make a pure floor wait, remember, or differ from run to run."""
    for file in files(root, *PURE_FLOORS):
        standard = file.libraries & set(sys.stdlib_module_names)
        yield from (f"{file.name} imports {name}" for name in sorted(standard - PURE_LIBRARY))
        for node in file.nodes:
            match node:
                case ast.Call(ast.Name(name)) if name in IMPURE_CALLS:
                    yield f"{file.name}:{node.lineno} calls {name}"
                case ast.Attribute(ast.Name("np" | "numpy"), "random"):
                    yield f"{file.name}:{node.lineno} uses numpy's own generator"
                case ast.AsyncFunctionDef() | ast.Await():
                    yield f"{file.name}:{node.lineno} waits"
                case ast.Global():
                    yield f"{file.name}:{node.lineno} has a global that changes"
                case _:
                    pass


def home_breaches(root: Path) -> Iterator[str]:
    """Libraries outside the file that is theirs."""
    users: dict[str, list[str]] = defaultdict(list)
    for file in files(root, *FLOORS):
        around = any(fnmatch(file.name, pattern) for pattern in AROUND_A_NODE)
        for library in sorted(file.libraries & HOMES.keys()):
            users[library].append(file.name)
            at_home = fnmatch(file.name, HOMES[library])
            is_guest = (library == "time" and around) or (file.name, library) in VISITORS
            if not at_home and not is_guest:
                yield f"{file.name} imports {library}, whose place is {HOMES[library]}"
    for library in sorted(ONE_FILE_ONLY):
        if len(users[library]) > 1:
            yield f"{library} is imported by {' and '.join(users[library])}, not by one file"


def declaration_breaches(root: Path) -> Iterator[str]:
    """Libraries that are used, and come only because another library wants them."""
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    declared = {distribution_name(text) for text in project["dependencies"]}
    for file in files(root, *FLOORS):
        foreign = file.libraries - set(sys.stdlib_module_names) - set(FLOORS) - CARRIED
        for library in sorted(foreign):
            names = {distribution_name(name) for name in distributions().get(library, [library])}
            if not names & declared:
                yield f"{file.name} imports {library}; pyproject.toml does not declare it"


@cache
def distributions() -> Mapping[str, list[str]]:
    """Return which installed distributions bring a library."""
    return importlib.metadata.packages_distributions()


def distribution_name(requirement: str) -> str:
    found = re.match(r"[A-Za-z0-9._-]+", requirement)
    assert found is not None
    return re.sub(r"[-_.]+", "-", found[0]).lower()


def form_breaches(root: Path) -> Iterator[str]:
    """Files that are too long, that are named for nothing, or that do not say what they are for."""
    for file in files(root, *FLOORS):
        text = file.path.read_text()
        lines = len(text.splitlines())
        if lines > LINES_MAX:
            yield f"{file.name} has {lines} lines; {LINES_MAX} are enough"
        if not ast.get_docstring(ast.parse(text)):
            yield f"{file.name} does not say what it is for"
    for file in files(root, *FLOORS, "tests"):
        if NAMELESS.search(file.path.stem) or NAMELESS.search(file.path.parent.name):
            yield f"{file.name} is named for nothing"


def namespace_breaches(root: Path) -> Iterator[str]:
    """The four links that give the packages their name, and what each package must have."""
    namespace = root / ".namespace" / "commonfab"
    found = {path.name for path in namespace.iterdir() if path.name != "__pycache__"}
    if found != set(FLOORS):
        yield f".namespace/commonfab has {sorted(found)}"
    for floor in sorted(found & set(FLOORS)):
        link = namespace / floor
        if not link.is_symlink() or link.readlink() != Path("..", "..", floor):
            yield f".namespace/commonfab/{floor} is no link to ../../{floor}"
    for floor in FLOORS:
        for name in ("__init__.py", "py.typed"):
            if not (root / floor / name).is_file():
                yield f"{floor}/{name} is missing"


RULES: list[Callable[[Path], Iterator[str]]] = [
    floor_breaches,
    spelling_breaches,
    purity_breaches,
    home_breaches,
    declaration_breaches,
    form_breaches,
    namespace_breaches,
]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_house_rule_is_kept(rule: Callable[[Path], Iterator[str]]) -> None:
    assert list(rule(ROOT)) == []


def test_nothing_was_imported_without_its_name() -> None:
    assert not set(FLOORS) & sys.modules.keys()


def test_the_help_of_the_command_loads_nothing_heavy() -> None:
    program = (
        "import json, sys\n"
        "from commonfab.node.cli.main import main\n"
        "sys.argv = ['commonfab', '--help']\n"
        "try:\n    main()\n"
        "except SystemExit as end:\n    assert not end.code\n"
        f"print(json.dumps([name for name in {HEAVY} if name in sys.modules]), file=sys.stderr)\n"
    )
    ended = subprocess.run(  # the program is the one above
        [sys.executable, "-c", program], check=True, capture_output=True, text=True
    )

    assert "Usage:" in ended.stdout
    assert json.loads(ended.stderr) == []


# What follows tests the rules: each finds what is planted in a small tree, and nothing else.


def plant(root: Path, **sources: str) -> None:
    """Write a tree that keeps every rule, and then `sources`: `node__clock` is node/clock.py."""
    (root / ".namespace" / "commonfab").mkdir(parents=True)
    (root / "tests").mkdir()
    (root / "pyproject.toml").write_text('[project]\ndependencies = ["Click>=8", "pynacl"]\n')
    for floor in FLOORS:
        (root / floor).mkdir()
        (root / floor / "py.typed").touch()
        (root / floor / "__init__.py").write_text('"""A floor."""\n')
        (root / ".namespace" / "commonfab" / floor).symlink_to(f"../../{floor}")
    for name, source in sources.items():
        path = root / (name.replace("__", "/") + ".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f'"""It is for something."""\n\n{source}\n')


def breaches(root: Path) -> list[str]:
    return [breach for rule in RULES for breach in rule(root)]


def test_a_tree_that_keeps_the_rules_has_no_breach(tmp_path: Path) -> None:
    plant(
        tmp_path,
        protocol__lamp="import re\nfrom dataclasses import dataclass\nfrom nacl import signing",
        protocol__switch="from . import lamp\nfrom .lamp import dataclass",
        storage__shelf="import sqlite3\nfrom commonfab.protocol import lamp",
        node__lamp__x="from ..clock import click",
        node__clock="import time\nimport click\nimport commonfab.storage.shelf",
        node__demo__town="import time",
        node__network__libp2p_host="import multiaddr",
        tests__test_lamp="import trio\nfrom commonfab.protocol.lamp import re\nimport time",
    )

    assert breaches(tmp_path) == []


PLANTED = [
    ("protocol__lamp", "from commonfab.storage import shelf", "imports commonfab.storage.shelf"),
    ("protocol__lamp", "import commonfab.node.clock", "imports commonfab.node.clock"),
    ("storage__lamp", "from commonfab import scheduler", "imports commonfab.scheduler"),
    ("scheduler__lamp", "from commonfab.storage.x import y", "imports commonfab.storage.x.y"),
    ("protocol__lamp", "import numpy as np", "protocol/lamp.py imports numpy"),
    ("storage__lamp", "def f():\n    import trio", "storage/lamp.py imports trio"),
    ("protocol__lamp", "from commonfab.protocol.ids import NodeId", "of its own floor"),
    ("protocol__lamp", "from commonfab.protocol import ids", "of its own floor"),
    ("node__lamp__x", "import commonfab.node.clock", "of its own floor"),
    ("node__lamp", "import protocol.ids", "without commonfab"),
    ("tests__test_lamp", "from protocol import ids", "without commonfab"),
    *(
        ("protocol__lamp", f"import {name}", f"protocol/lamp.py imports {name}")
        for name in (
            *("time", "datetime", "random", "os", "socket", "logging", "threading", "pathlib"),
            *("io", "secrets", "sys", "subprocess", "asyncio", "tempfile", "uuid", "importlib"),
        )
    ),
    ("scheduler__lamp", "from time import monotonic", "scheduler/lamp.py imports time"),
    ("protocol__lamp", "x = open('y')", "lamp.py:3 calls open"),
    ("scheduler__lamp", "print('y')", "lamp.py:3 calls print"),
    ("protocol__lamp", "x = hash('y')", "lamp.py:3 calls hash"),
    ("scheduler__lamp", "import numpy as np\nx = np.random.rand()", "numpy's own generator"),
    ("protocol__lamp", "async def f(): ...", "lamp.py:3 waits"),
    ("protocol__lamp", "x = 1\ndef f():\n    global x", "a global that changes"),
    ("node__lamp", "import libp2p", "whose place is node/network/libp2p_"),
    ("node__lamp", "from multiaddr import Multiaddr", "whose place is node/network/libp2p_"),
    ("node__lamp", "import sqlite3", "whose place is storage/"),
    ("node__lamp", "from time import monotonic", "whose place is node/clock.py"),
    ("node__lamp", "import yaml", "pyproject.toml does not declare it"),
    ("node__lamp", "import no_such_library", "pyproject.toml does not declare it"),
    ("node__lamp", "x = 1\n" * LINES_MAX, "503 lines; 500 are enough"),
    ("node__utils", "", "is named for nothing"),
    ("tests__lamp_helpers", "", "is named for nothing"),
    ("protocol__common__lamp", "", "is named for nothing"),
]


@pytest.mark.parametrize(("name", "source", "breach"), PLANTED)
def test_a_planted_breach_is_found(tmp_path: Path, name: str, source: str, breach: str) -> None:
    plant(tmp_path, **{name: source})

    found = breaches(tmp_path)

    assert any(breach in line for line in found), found


def test_a_library_in_two_files_is_found(tmp_path: Path) -> None:
    plant(tmp_path, node__meshes__one="import trimesh", node__meshes__two="import trimesh")

    found = "trimesh is imported by node/meshes/one.py and node/meshes/two.py, not by one file"
    assert found in breaches(tmp_path)


def test_a_file_that_does_not_say_what_it_is_for_is_found(tmp_path: Path) -> None:
    plant(tmp_path)
    (tmp_path / "node" / "lamp.py").write_text("x = 1\n")

    assert breaches(tmp_path) == ["node/lamp.py does not say what it is for"]


def test_a_link_that_was_replaced_by_a_copy_is_found(tmp_path: Path) -> None:
    plant(tmp_path)
    link = tmp_path / ".namespace" / "commonfab" / "storage"
    link.unlink()
    link.mkdir()

    assert breaches(tmp_path) == [".namespace/commonfab/storage is no link to ../../storage"]


def test_a_fifth_package_or_an_init_in_the_namespace_is_found(tmp_path: Path) -> None:
    plant(tmp_path)
    (tmp_path / ".namespace" / "commonfab" / "__init__.py").touch()

    assert "__init__.py" in breaches(tmp_path)[0]


def test_a_package_without_its_types_is_found(tmp_path: Path) -> None:
    plant(tmp_path)
    (tmp_path / "scheduler" / "py.typed").unlink()

    assert breaches(tmp_path) == ["scheduler/py.typed is missing"]
