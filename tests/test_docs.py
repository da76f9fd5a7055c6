"""What is documented exists, what exists is documented, and what is shown to be typed works."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from commonfab.node.cli.main import cli
from tests.node.running import commonfab, running_node

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
PAGES = ("README.md", "CHANGELOG.md")


def _commands(
    group: click.Group = cli, path: tuple[str, ...] = ()
) -> Iterator[tuple[str, click.Command]]:
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from _commands(command, (*path, name))
        else:
            yield " ".join((*path, name)), command


COMMANDS = dict(_commands())


def _typed(text: str = README) -> list[str]:
    """Return the lines that are to be typed."""
    lines = [line.strip() for line in text.splitlines() if line.startswith("    ")]
    return [line.partition("  #")[0].strip() for line in lines]


def _parse(words: list[str]) -> None:
    """Have a line of the command read, as far as it goes without doing anything."""
    command: click.Command = cli
    context = None
    while isinstance(command, click.Group):
        context = click.Context(command, context, words[0])
        command = command.commands[words[1]]
        words = words[1:]
    command.make_context(words[0], words[1:], parent=context)


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_has_help_and_an_example_that_can_be_typed(name: str) -> None:
    command = COMMANDS[name]

    assert command.help
    assert re.match(r"[A-Z].*\.$", command.help.splitlines()[0])
    assert command.epilog
    example = command.epilog.removeprefix("Example: ")
    assert example.startswith(f"commonfab {name}")
    _parse(shlex.split(example))


@pytest.mark.parametrize("name", COMMANDS)
def test_each_option_says_what_it_is_for(name: str) -> None:
    for parameter in COMMANDS[name].params:
        if isinstance(parameter, click.Option):
            assert parameter.help, parameter.name


@pytest.mark.parametrize("name", sorted(COMMANDS.keys() - {"demo"}))
def test_each_command_can_be_told_which_home_and_answer_in_json(name: str) -> None:
    options = {option for each in COMMANDS[name].params for option in each.opts}

    assert {"--home", "--json"} <= options


def test_the_help_lists_every_command() -> None:
    shown = commonfab("--help").out

    for name in cli.commands:
        assert f"\n  {name} " in shown


def test_what_the_readme_shows_can_be_typed() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))

    for line in _typed():
        program, *words = shlex.split(line)
        if program == "make":
            assert words[0] in targets
        else:
            assert program == ".venv/bin/commonfab"
            _parse([program, *words])
    for target in re.findall(r"`make ([a-z]+)", README):
        assert target in targets


def test_the_help_of_make_lists_every_target() -> None:
    makefile = (ROOT / "Makefile").read_text()

    targets = re.findall(r"^([a-z]+):", makefile, re.MULTILINE)
    told = set(re.findall(r"make ([a-z]+) ", makefile))
    assert set(targets) - {"help", "setup", "requirements"} <= told


def test_the_first_steps_of_the_readme_lead_to_finished_parts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "node").symlink_to(ROOT / "node")
    monkeypatch.chdir(tmp_path)
    home = tmp_path / "home"
    alone = README[: README.index("## Meeting others")]
    steps = [shlex.split(line)[1:] for line in _typed(alone) if "commonfab" in line]
    started = steps.index(["run"])

    for words in steps[:started]:
        assert commonfab(*words, home=home).code == 0
    with running_node(home):
        for words in steps[started + 1 :]:
            ended = commonfab(*words, home=home)
            assert ended.code == 0, ended.err
            if words[0] == "order":
                assert "done: 2 of 2 pieces made" in ended.out


@pytest.mark.parametrize("page", PAGES)
def test_each_link_leads_somewhere(page: str) -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", (ROOT / page).read_text()):
        assert (ROOT / page).parent.joinpath(target).exists(), target


def test_what_is_pinned_names_no_host() -> None:
    for file in (ROOT / "requirements.txt", *(ROOT / "tests" / "peers").glob("*requirements.txt")):
        text = file.read_text()
        assert "://" not in text
        assert text.count("--hash=sha256:") >= text.count("==")


def test_what_pyproject_asks_for_is_pinned() -> None:
    import tomllib

    wanted = tomllib.loads((ROOT / "pyproject.toml").read_text())
    names = {
        _normal(re.split(r"[ <>=!~;\[]", each)[0])
        for each in (*wanted["project"]["dependencies"], *wanted["dependency-groups"]["dev"])
    }

    pinned = re.findall(r"^([A-Za-z0-9._-]+)==", (ROOT / "requirements.txt").read_text(), re.M)
    assert names <= {_normal(name) for name in pinned}


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
