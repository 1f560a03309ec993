"""Writes the JSON Schema of the manifest to docs/manifest.schema.json; with ``--check``, fails if it is not fresh."""

import argparse
import json
import sys
from pathlib import Path

from bcfl.manifest import Manifest

PATH = Path(__file__).resolve().parent.parent / "docs" / "manifest.schema.json"


def schema() -> str:
    document = {"$schema": "https://json-schema.org/draft/2020-12/schema", **Manifest.model_json_schema()}
    return json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--check", action="store_true", help="change nothing; exit 1 if the file is not fresh")
    if parser.parse_args().check:
        if PATH.read_text(encoding="utf-8") != schema():
            print(f"not fresh: {PATH.name}; run scripts/manifest_schema.py", file=sys.stderr)
            return 1
        return 0
    PATH.write_text(schema(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
