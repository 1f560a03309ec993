"""Deploys Registry and FederationFactory: ``brownie run deploy --network ...``, or ``python scripts/deploy.py``.

The same as ``bcfl deploy``: with its settings (BCFL_ACCOUNT, BCFL_PASSWORD_FILE and so on), and with its options when
it is run by itself. Under Brownie the chain is that of Brownie's network.
"""

import sys

from bcfl.cli.embedded import run_embedded


def main(*options: str) -> None:
    run_embedded("deploy", *options)


if __name__ == "__main__":
    main(*sys.argv[1:])
