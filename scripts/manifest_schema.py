"""Write the JSON Schema of the manifest to docs/manifest.schema.json."""

import json
from pathlib import Path

from bcfl.manifest import Manifest

PATH = Path(__file__).resolve().parent.parent / "docs" / "manifest.schema.json"


def schema() -> str:
    document = {"$schema": "https://json-schema.org/draft/2020-12/schema", **Manifest.model_json_schema()}
    return json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def main() -> None:
    PATH.write_text(schema(), encoding="utf-8")


if __name__ == "__main__":
    main()
