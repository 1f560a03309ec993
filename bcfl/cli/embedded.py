"""Commands that run inside another program, such as Brownie's ``brownie run``."""

from __future__ import annotations

import sys

from bcfl.cli import run


def brownie_rpc() -> list[str]:
    """The node that Brownie is connected to, as an option; nothing where there is no Brownie."""
    network = getattr(sys.modules.get("brownie"), "network", None)
    if network is None or not network.is_connected():
        return []
    return ["--rpc", str(network.web3.provider.endpoint_uri)]


def run_embedded(command: str, *options: str) -> None:
    """Runs a command on the chain that the program is connected to.

    Raises:
        SystemExit: with the command's exit code, if it fails.
    """
    code = run([command, *brownie_rpc(), *options])
    if code:
        raise SystemExit(code)
