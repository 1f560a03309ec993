"""``bcfl settings``."""

from __future__ import annotations

import os

from bcfl.cli.context import uses
from bcfl.cli.output import Json, print_json, print_table
from bcfl.config import ENVIRONMENT_ONLY, SETTINGS, Settings


@uses(*SETTINGS)
def settings(settings: Settings, json: Json = False) -> None:
    """Show every setting, its value, and where the value comes from."""
    values = {name: getattr(settings, name) for name in SETTINGS}
    values["keystore"] = settings.keystore_folder
    if json:
        shown = {
            name: value if value is None or isinstance(value, int | float) else str(value)
            for name, value in values.items()
        }
        print_json({name: {"value": shown[name], "from": settings.origins[name]} for name in SETTINGS})
        return
    rows = [
        (name, "-" if values[name] is None else values[name], settings.origins[name], each.environment, each.help)
        for name, each in SETTINGS.items()
    ]
    for name, help in ENVIRONMENT_ONLY.items():
        there = name in os.environ  # the value itself may be a secret
        rows.append(("", "(set)" if there else "-", "environment" if there else "default", name, help))
    print_table(["setting", "value", "from", "environment", "what it is"], rows)
