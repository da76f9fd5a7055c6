"""`python -m commonfab.node`: the `commonfab` command."""

from .cli import main

main()
