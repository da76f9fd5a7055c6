"""`python -m commonfab.node`: the `commonfab` command."""

from .cli.main import main

main()
