"""The specs and the code say the same: constants, rules, vectors, links.

A page of specs/ with a table "Stage | Revision | Date | Code | Vectors" at its head is a
spec. Of a spec this file reads the tables "Name | Value | …" (constants of the code that the
header names) and the rules, lines that begin with a bold **NAME-1**.
"""

import ast
import importlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from pathlib import Path
from types import ModuleType

import pytest

from commonfab.protocol import limits
from tests import vectors

ROOT = Path(__file__).parent.parent
SPECS = ROOT / "specs"
CODE_FOLDERS = ("node", "protocol", "scheduler", "storage")
HEADER = ["Stage", "Revision", "Date", "Code", "Vectors"]
STAGES = {"draft", "candidate", "stable"}
SECTIONS = ["Overview", "Rules", "Security", "Why"]
NOT_SPECS = {"README.md", "benchmarks.md"}

_RULE = re.compile(r"^(?:- )?\*\*([A-Z][A-Z0-9]*)-(\d+)\*\*( \*\(dropped\)\*)?", re.MULTILINE)
_LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")
Table = list[list[str]]


@dataclass(frozen=True)
class Page:
    """One page of specs/."""

    path: Path

    @cached_property
    def text(self) -> str:
        return self.path.read_text()

    @cached_property
    def tables(self) -> list[Table]:
        """All tables: each a list of rows, each a list of cells; the first row is the head."""
        found: list[Table] = [[]]
        for line in self.text.splitlines():
            if not line.startswith("|"):
                found.append([])
            elif not set(line) <= set("|-: "):
                found[-1].append([cell.strip() for cell in line.strip("|").split(" | ")])
        return [table for table in found if table]

    @property
    def header(self) -> dict[str, str]:
        """The header of a spec; empty for a page that is none."""
        if not self.tables or self.tables[0][0] != HEADER or len(self.tables[0]) != 2:
            return {}
        return dict(zip(HEADER, self.tables[0][1], strict=True))

    @property
    def rules(self) -> list[tuple[str, int, bool]]:
        """All rules: the name, the number, and whether it still holds."""
        found: list[tuple[str, str, str]] = _RULE.findall(self.text)
        return [(prefix, int(number), not dropped) for prefix, number, dropped in found]

    @property
    def links(self) -> list[str]:
        return [link for link in _LINK.findall(self.text) if "://" not in link]


def pages(folder: Path = SPECS) -> list[Page]:
    return [Page(path) for path in sorted(folder.glob("*.md"))]


def specs(folder: Path = SPECS) -> list[Page]:
    return [page for page in pages(folder) if page.path.name not in NOT_SPECS]


def form_problems(page: Page) -> Iterator[str]:
    """Yield what is wrong with the form of a spec: header, sections, numbering."""
    name = page.path.name
    header = page.header
    if not header:
        yield f"{name} does not begin with a table {' | '.join(HEADER)} of one row"
        return
    if header["Stage"] not in STAGES or not header["Revision"].isdecimal():
        yield f"{name}: stage or revision"
    try:
        date.fromisoformat(header["Date"])
    except ValueError:
        yield f"{name}: {header['Date']!r} is no date"
    sections = re.findall(r"^## (.+)$", page.text, re.MULTILINE)
    if [section for section in sections if section in SECTIONS] != SECTIONS:
        yield f"{name} has not the sections {', '.join(SECTIONS)} in this order"
    numbers: dict[str, list[int]] = {}
    for prefix, number, _ in page.rules:
        numbers.setdefault(prefix, []).append(number)
    for prefix, found in numbers.items():
        if found != list(range(1, len(found) + 1)):
            yield f"{name}: the rules {prefix} are numbered {found}"
    if len(numbers) != 1:
        yield f"{name}: its rules begin with {sorted(numbers)}, not with one name"


def link_problems(page: Page) -> Iterator[str]:
    for link in page.links:
        if not (page.path.parent / link).exists():
            yield f"{page.path.name} links to {link}, which is not there"


def constant_problems(page: Page, modules: list[ModuleType]) -> Iterator[str]:
    """Yield the constants of a spec's tables that the code does not know, or knows otherwise."""
    for name, value in constants(page):
        homes = [module for module in modules if hasattr(module, name)]
        if not homes:
            yield f"{page.path.name}: {name} is not in the code that the header names"
        elif getattr(homes[0], name) != value:
            yield f"{page.path.name}: {name} is {getattr(homes[0], name)!r} in the code"


def constants(page: Page) -> list[tuple[str, object]]:
    return [
        (row[0].strip("`"), evaluate(row[1].strip("`")))
        for table in page.tables
        if table[0][:2] == ["Name", "Value"]
        for row in table[1:]
    ]


def evaluate(expression: str) -> object:
    """Return the value of a constant's cell: a literal, or a sum with the units of limits.py."""
    plain = re.sub(r"(?<=\d),(?=\d)", "_", expression)
    value: object = eval(plain, {"__builtins__": {}}, vars(limits))  # noqa: S307  # our own pages
    return value


def modules_of(page: Page) -> list[ModuleType]:
    """Import the modules that the header's cell "Code" links to."""
    paths = [Path(link) for link in _LINK.findall(page.header["Code"])]
    files = [path for path in paths if path.suffix == ".py"]
    names = [".".join(("commonfab", *path.with_suffix("").parts[1:])) for path in files]
    return [importlib.import_module(name) for name in names]


def rules_in_specs(folder: Path = SPECS) -> list[str]:
    """Return the rules that hold."""
    rules = [rule for page in pages(folder) for rule in page.rules]
    return [f"{prefix}-{number}" for prefix, number, holds in rules if holds]


def rules_in_tests(folder: Path) -> set[str]:
    """Return every name in a `pytest.mark.rule("NAME-1")` below `folder`."""
    return {
        name
        for path in folder.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        for name in _rule_of(node)
    }


def _rule_of(node: ast.AST) -> list[str]:
    match node:
        case ast.Call(ast.Attribute(ast.Attribute(attr="mark"), "rule"), [ast.Constant(str(name))]):
            return [name]
        case _:
            return []


def rules_mentioned(root: Path, prefixes: set[str]) -> Iterator[tuple[Path, str]]:
    """Yield what looks like a rule's name, in code and specs."""
    wanted = re.compile(rf"\b(?:{'|'.join(sorted(prefixes))})-\d+\b")
    files = [path for folder in CODE_FOLDERS for path in (root / folder).rglob("*.py")]
    for path in [*files, *(root / "specs").rglob("*.md")]:
        for name in wanted.findall(path.read_text()):
            yield path, name


def vector_problems(root: Path) -> Iterator[str]:
    """Yield the vector files that no spec links to, no test replays, or nobody vouches for."""
    linked = {Path(link).name for page in specs(root / "specs") for link in page.links}
    tests = [path.read_text() for path in (root / "tests").rglob("*.py")]
    for path in sorted((root / "specs" / "vectors").iterdir()):
        name = path.name
        if name not in linked:
            yield f"no spec links to vectors/{name}"
        if not any(f'load("{path.stem}")' in text or name in text for text in tests):
            yield f"no test replays vectors/{name}"
        if not list(root.glob(f"tests/*/vectors_{path.stem}.py")) and not has_source(path):
            yield f"vectors/{name}: no tests/*/vectors_{path.stem}.py writes it, and no source"


def has_source(path: Path) -> bool:
    """Tell whether a file of vectors names the other program that they come from."""
    return '"source"' in json.dumps(json.loads(path.read_text()))


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.path.name)
def test_every_link_of_a_page_leads_somewhere(page: Page) -> None:
    assert list(link_problems(page)) == []


@pytest.mark.parametrize("page", specs(), ids=lambda page: page.path.name)
def test_a_spec_has_the_form_of_a_spec(page: Page) -> None:
    assert list(form_problems(page)) == []


@pytest.mark.parametrize("page", specs(), ids=lambda page: page.path.name)
def test_the_constants_of_a_spec_are_those_of_its_code(page: Page) -> None:
    assert list(constant_problems(page, modules_of(page))) == []


def test_every_limit_stands_in_the_table_of_limits() -> None:
    listed = [name for name, _ in constants(Page(SPECS / "limits.md"))]

    assert sorted(listed) == sorted(name for name in vars(limits) if name.isupper())


def test_every_rule_has_a_test_and_every_rule_of_a_test_a_spec() -> None:
    written = rules_in_specs()
    tested = rules_in_tests(ROOT / "tests")

    assert sorted(set(written) - tested) == [], "rules without a test"
    assert sorted(tested - set(written)) == [], "tests of rules that no spec has"
    assert len(written) == len(set(written)), "two rules of one name"


def test_every_rule_that_is_mentioned_exists() -> None:
    rules = set(rules_in_specs())
    prefixes = {rule.rpartition("-")[0] for rule in rules}

    lost = [(path, rule) for path, rule in rules_mentioned(ROOT, prefixes) if rule not in rules]
    assert lost == []


def test_the_first_page_lists_every_spec_as_its_header_says() -> None:
    listed = {row[0]: row[2:4] for row in Page(SPECS / "README.md").tables[0][1:]}

    assert listed == {
        f"[{page.path.stem}]({page.path.name})": [page.header["Stage"], page.header["Revision"]]
        for page in specs()
    }


def test_every_vector_file_is_linked_replayed_and_vouched_for() -> None:
    assert list(vector_problems(ROOT)) == []


@pytest.mark.parametrize("name", vectors.names())
def test_a_vector_file_is_what_the_code_writes_today(name: str) -> None:
    assert vectors.is_current(name), "look at what changed, then python -m tests.vectors"


# What follows tests the checks above: each finds a breach that is planted in a small tree.

GOOD = """# Lamp
| Stage | Revision | Date | Code | Vectors |
| ----- | -------- | ---- | ---- | ------- |
| draft | 1 | 2026-11-21 | [limits](../protocol/limits.py) | [lamp](vectors/lamp.json) |
## Overview
| Name | Value | Why |
| ---- | ----- | --- |
| `BODY_BYTES_MAX` | `64 * KIB` | enough |
| `QUANTITY_MAX` | `100,000` | enough |
## Rules
- **LAMP-1** It shines.
- **LAMP-2** It stops.
## Security
## Why
"""


def plant(root: Path, text: str) -> Page:
    for folder in ("specs/vectors", "tests/lamp", "protocol"):
        (root / folder).mkdir(parents=True)
    (root / "protocol" / "limits.py").write_text("# LAMP-2\n")
    (root / "specs" / "vectors" / "lamp.json").write_text("{}")
    (root / "tests" / "lamp" / "vectors_lamp.py").write_text("")
    (root / "tests" / "lamp" / "test_lamp.py").write_text(
        'import pytest\nCASES = load("lamp")\n@pytest.mark.rule("LAMP-1")\ndef test(): ...\n'
    )
    page = Page(root / "specs" / "lamp.md")
    page.path.write_text(text)
    return page


def test_a_good_page_has_no_problems(tmp_path: Path) -> None:
    page = plant(tmp_path, GOOD)

    assert [*form_problems(page), *link_problems(page), *vector_problems(tmp_path)] == []
    assert list(constant_problems(page, [limits])) == []
    assert rules_in_specs(tmp_path / "specs") == ["LAMP-1", "LAMP-2"]
    assert rules_in_tests(tmp_path / "tests") == {"LAMP-1"}
    assert [rule for _, rule in rules_mentioned(tmp_path, {"LAMP"})] == [
        "LAMP-2",
        "LAMP-1",
        "LAMP-2",
    ]


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("| Stage |", "| State |", "does not begin with a table"),
        ("draft", "ready", "stage or revision"),
        ("2026-11-21", "2026-11-31", "is no date"),
        ("## Security\n", "", "has not the sections"),
        ("LAMP-2", "LAMP-3", r"numbered \[1, 3\]"),
        ("LAMP-2", "LIGHT-1", "not with one name"),
        ("../protocol/limits.py", "../protocol/bounds.py", "which is not there"),
        ("64 * KIB", "65 * KIB", "BODY_BYTES_MAX is 65536 in the code"),
        ("QUANTITY_MAX", "QUANTITY_MIN", "QUANTITY_MIN is not in the code"),
        ("vectors/lamp.json", "lamp.md", "no spec links to vectors/lamp.json"),
    ],
)
def test_a_planted_breach_is_found(tmp_path: Path, old: str, new: str, problem: str) -> None:
    page = plant(tmp_path, GOOD.replace(old, new, 1))

    problems = [*form_problems(page), *link_problems(page), *vector_problems(tmp_path)]
    problems += constant_problems(page, [limits])
    assert any(re.search(problem, found) for found in problems), problems


def test_a_dropped_rule_keeps_its_number_and_needs_no_test(tmp_path: Path) -> None:
    page = plant(tmp_path, GOOD.replace("**LAMP-1** It shines.", "**LAMP-1** *(dropped)*"))

    assert list(form_problems(page)) == []
    assert rules_in_specs(tmp_path / "specs") == ["LAMP-2"]


def test_vectors_that_nobody_replays_or_vouches_for_are_found(tmp_path: Path) -> None:
    plant(tmp_path, GOOD)
    for path in (tmp_path / "tests" / "lamp").iterdir():
        path.unlink()

    problems = list(vector_problems(tmp_path))
    assert [problem.split(" ")[0:2] for problem in problems] == [
        ["no", "test"],
        ["vectors/lamp.json:", "no"],
    ]
    (tmp_path / "specs" / "vectors" / "lamp.json").write_text('[{"source": "another program"}]')
    assert len(list(vector_problems(tmp_path))) == 1
