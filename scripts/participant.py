"""Takes part in a federation: ``brownie run participant --network ...``, or ``python scripts/participant.py``.

The same as ``bcfl participate``: with its settings (BCFL_FEDERATION, BCFL_ACCOUNT, BCFL_PASSWORD_FILE and so on),
BCFL_TASK (``package.module:Class``) and BCFL_PARAMETERS (``hospital=0``, separated by blanks), and with its options
when it is run by itself. Under Brownie the chain is that of Brownie's network.
"""

import sys

from bcfl.cli.embedded import run_embedded


def main(*options: str) -> None:
    run_embedded("participate", *options)


if __name__ == "__main__":
    main(*sys.argv[1:])
