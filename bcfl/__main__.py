"""``python -m bcfl``: the same as ``bcfl``."""

from bcfl.cli import main

main()
