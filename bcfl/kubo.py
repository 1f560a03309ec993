"""The repository of a Kubo that serves a devnet."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

from bcfl.errors import NodeFailed
from bcfl.files import write_durably


def prepare_kubo(kubo: str, home: Path, port: int) -> None:
    """Make a repository that keeps to loopback: no bootstrap, no routing, no discovery.

    Raises:
        NodeFailed: ``ipfs init`` failed.
    """
    if not (home / "config").exists():
        environment = {**os.environ, "IPFS_PATH": str(home)}
        made = subprocess.run([kubo, "init"], env=environment, capture_output=True, text=True, check=False)
        if made.returncode != 0:
            raise NodeFailed(f"ipfs init failed: {made.stderr.strip()[-300:]}")
    config = json.loads((home / "config").read_text())
    config["Addresses"] |= {
        "API": f"/ip4/127.0.0.1/tcp/{port}",
        "Gateway": [],
        "Swarm": ["/ip4/127.0.0.1/tcp/0"],
    }
    config["Bootstrap"] = []
    config.setdefault("Routing", {})["Type"] = "none"
    config.setdefault("Discovery", {})["MDNS"] = {"Enabled": False}
    write_durably(home / "config", json.dumps(config, indent=2).encode())
