"""Tables that fit: a narrow terminal loses the columns that matter least, never its legibility.

Results go to stdout, talk to stderr. rich is imported late: most of what a person types is
over before it would be loaded.
"""

import os
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

_GAP = 2
_WRAPPED_MIN = 16
"""Characters that a column of sentences is left at least."""
_PIPE_WIDTH = 160
"""Where there is no terminal there is room, but a line should still be one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    title: str
    is_right: bool = False
    wraps: bool = False
    """Sentences: may be broken over lines when the width is short."""
    drop: int = 0
    """When the width is short, the column with the highest number goes first; 0 stays."""
    longest: int = 32
    """Characters; more are cut off. Not for a column that wraps."""
    style: str = ""


def width(stream: int = 1) -> int:
    """Return the columns of the terminal that a stream leads to."""
    if os.isatty(stream) or "COLUMNS" in os.environ:
        return max(20, shutil.get_terminal_size().columns)
    return _PIPE_WIDTH


def out() -> "Console":
    """Return where results go."""
    from rich.console import Console

    return Console(file=sys.stdout, width=width(), highlight=False, markup=False, emoji=False)


def say(words: str) -> None:
    """Tell the person something that is no result."""
    print(words, file=sys.stderr)


def write(*parts: "RenderableType") -> None:
    """Print parts of a result, one below the other."""
    console = out()
    for part in parts:
        # Lines of text are left to the terminal to wrap, so that what is copied stays whole.
        console.print(part, soft_wrap=isinstance(part, str))


def table(
    columns: Sequence[Column], rows: Sequence[Sequence[str]], columns_max: int
) -> "RenderableType":
    """Return a table of at most this many characters a line."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    kept = fit(columns, rows, columns_max)
    drawn = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, _GAP - 1, 0, 0), show_edge=False)
    for index in kept:
        column = columns[index]
        drawn.add_column(
            Text(column.title),
            justify="right" if column.is_right else "left",
            overflow="fold" if column.wraps else "ellipsis",
            no_wrap=not column.wraps,
            max_width=None if column.wraps else column.longest,
            style=column.style,
        )
    for row in rows:
        drawn.add_row(*(Text(row[index]) for index in kept))
    return drawn


def fit(columns: Sequence[Column], rows: Sequence[Sequence[str]], columns_max: int) -> list[int]:
    """Return the indices of the columns that fit, without those that are empty."""
    kept = [
        index
        for index, column in enumerate(columns)
        if not column.drop or not rows or any(row[index] for row in rows)
    ]
    needed = {index: _needed(index, columns, rows) for index in kept}
    while sum(needed[index] for index in kept) + _GAP * (len(kept) - 1) > columns_max:
        least = max(kept, key=lambda index: columns[index].drop)
        if not columns[least].drop:
            break
        kept.remove(least)
    return kept


def _needed(index: int, columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> int:
    from rich.cells import cell_len

    column = columns[index]
    natural = max(cell_len(text) for text in (column.title, *(row[index] for row in rows)))
    return min(natural, _WRAPPED_MIN if column.wraps else column.longest)
