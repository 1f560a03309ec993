"""Compiles the contracts and writes ``bcfl/abi/``; with ``--check``, fails if what is there is not fresh.

The compiler is the native one through py-solc-x where it is installed or can be, and otherwise the JavaScript build
that npm carries, behind the same command line. Both give the same bytes: ``--check`` compares bytecode, so a machine
with the native compiler verifies what one without it wrote, and the other way round.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import solcx
from solcx.exceptions import SolcError, SolcInstallationError

ROOT = Path(__file__).resolve().parent.parent
VERSION = "0.8.30"
CONTRACTS = {
    "Registry": "contracts/Registry.sol",
    "Federation": "contracts/Federation.sol",
    "FederationFactory": "contracts/FederationFactory.sol",
}
SETTINGS: dict[str, Any] = {
    "optimizer": {"enabled": True, "runs": 10_000},
    "evmVersion": "shanghai",  # Ganache ends there
    "viaIR": True,
    "remappings": ["@openzeppelin/=node_modules/@openzeppelin/"],
}


def find_compiler() -> tuple[str | None, str]:
    """The path of a compiler for py-solc-x (None: its own), and words for it."""
    if any(str(version) == VERSION for version in solcx.get_installed_solc_versions()):
        return None, f"native solc {VERSION}"
    try:
        solcx.install_solc(VERSION)
    except (SolcInstallationError, OSError, ValueError):
        # No internet, or no build for this machine. requests' errors are OSErrors.
        return str(ROOT / "devnet" / "solc.cjs"), f"npm solc {VERSION}"
    return None, f"native solc {VERSION}"


def standard_input() -> dict[str, Any]:
    """The standard JSON input: every source by its content, so that it can be handed to a verifier as it is."""
    names = sorted(
        path.relative_to(ROOT).as_posix() for path in (ROOT / "contracts").rglob("*.sol") if "mocks" not in path.parts
    )
    sources = {name: {"content": (ROOT / name).read_text()} for name in names}
    outputs = ["abi", "evm.bytecode.object", "evm.deployedBytecode.object", "metadata"]
    return {
        "language": "Solidity",
        "sources": sources,
        "settings": {**SETTINGS, "outputSelection": {"*": {"*": outputs}}},
    }


def compile_contracts(binary: str | None) -> dict[str, str]:
    """File name in ``bcfl/abi/`` to its text."""
    output = solcx.compile_standard(
        standard_input(),
        solc_binary=binary,
        solc_version=None if binary else VERSION,
        base_path=str(ROOT),
        allow_paths=str(ROOT),
    )
    problems = [
        each["formattedMessage"] for each in output.get("errors", []) if each["severity"] in ("error", "warning")
    ]
    if problems:
        raise SystemExit("\n".join(problems))
    files = {}
    for name, source in CONTRACTS.items():
        made = output["contracts"][source][name]
        record = {
            "contractName": name,
            "sourceName": source,
            "compiler": VERSION,
            "abi": made["abi"],
            "bytecode": "0x" + made["evm"]["bytecode"]["object"],
            "deployedBytecode": "0x" + made["evm"]["deployedBytecode"]["object"],
            "metadata": made["metadata"],
        }
        files[f"{name}.json"] = json.dumps(record, indent=1) + "\n"
    return files


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--check", action="store_true", help="change nothing; exit 1 if bcfl/abi/ is not fresh")
    args = parser.parse_args()
    binary, words = find_compiler()
    try:
        files = compile_contracts(binary)
    except SolcError as error:
        raise SystemExit(str(error)) from None
    folder = ROOT / "bcfl" / "abi"
    stale = [
        name for name, text in files.items() if not (folder / name).is_file() or (folder / name).read_text() != text
    ]
    if args.check and stale:
        print(f"not fresh: {', '.join(stale)}; run scripts/compile.py", file=sys.stderr)
        return 1
    for name in stale:
        (folder / name).write_text(files[name])
    sizes = {name: len(json.loads(text)["deployedBytecode"]) // 2 - 1 for name, text in files.items()}
    print(f"{words}: " + ", ".join(f"{name} {size:,} bytes" for name, size in sizes.items()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
