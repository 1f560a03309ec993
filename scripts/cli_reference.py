"""Writes docs/cli.md: every command, setting and exit code; with --check, fails if what is there is not fresh."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

from bcfl import errors
from bcfl.cli import BUG, app
from bcfl.config import ENVIRONMENT_ONLY, SETTINGS

PATH = Path(__file__).resolve().parent.parent / "docs" / "cli.md"

HEAD = """\
# The command line

This file is written by `scripts/cli_reference.py`, which CI runs with `--check`.

Every command that reports takes `--json`. Results are on stdout, what is said along the way is on stderr.
"""

SETTINGS_HEAD = """
## Settings

A value comes from the first of: the option, the environment, `bcfl.toml` in the working directory (with the names of
the first column as keys), the devnet that runs for the folder, the default. `bcfl settings` shows what holds.

| name | option | environment | default | what it is |
|---|---|---|---|---|
"""

EXIT_HEAD = """
## Exit codes

An error is one line on stderr, `bcfl: …`; `bcfl --debug` in front of a command adds the traceback.

| code | name | when |
|---|---|---|
"""


def commands(command: Any, path: str = "bcfl") -> Iterator[tuple[str, Any]]:
    """Every command that can be run, with its full name."""
    if not hasattr(command, "commands"):
        yield path, command
        return
    for name, each in command.commands.items():
        yield from commands(each, f"{path} {name}")


def cell(text: object) -> str:
    return " ".join(str(text).split()).replace("|", "\\|").replace("<", "&lt;")


def described(path: str, command: Any) -> str:
    """The section of one command. Settings are only named: they have a table of their own."""
    arguments = [each for each in command.params if each.param_type_name == "argument"]
    words = [name_of(each) if each.required else f"[{name_of(each)}]" for each in arguments]
    lines = [f"\n## {path}\n", f"`{' '.join([path, *words, '[OPTIONS]'])}`\n", command.help.strip(), ""]
    own = [each for each in command.params if each.name not in SETTINGS]
    lines += ["| argument or option | default | what it is |", "|---|---|---|"]
    for each in own:
        name = name_of(each) if each in arguments else ", ".join(each.opts)
        default = "required" if each.required else "" if each.default in (None, False) else shown(each.default)
        lines.append(f"| `{cell(name)}` | {cell(default)} | {cell(each.help)} |")
    used = [SETTINGS[each.name].option for each in command.params if each.name in SETTINGS]
    if used:
        lines.append(f"\nSettings: {', '.join(f'`{name}`' for name in used)}.")
    return "\n".join(lines) + "\n"


def name_of(argument: Any) -> str:
    return str(argument.metavar or argument.name.upper())


def shown(default: object) -> str:
    return str(getattr(default, "value", default))


def settings_table() -> str:
    rows = []
    for name, each in SETTINGS.items():
        default = "" if each.default is None else f"`{each.default}`"
        rows.append(f"| `{name}` | `{each.option}` | `{each.environment}` | {default} | {cell(each.help)} |")
    rows += [f"| | | `{name}` | | {cell(words)} |" for name, words in ENVIRONMENT_ONLY.items()]
    return SETTINGS_HEAD + "\n".join(rows) + "\n"


def exit_codes() -> str:
    """A line for every exception that is raised by name; those of the contracts share one."""
    found = [
        (0, "", "All went well."),
        (2, "", "The command line itself is wrong: an unknown command or option, or a value out of range."),
        (BUG, "", "A bug in bcfl."),
        (130, "", "Interrupted from the keyboard."),
    ]
    pending: list[type[errors.BcflError]] = [errors.BcflError]
    while pending:
        cls = pending.pop()
        if cls is not errors.ContractError:
            pending += cls.__subclasses__()
        if cls is errors.ContractError or not cls.__subclasses__():
            found.append((cls.exit_code, f"`{cls.__name__}`", (cls.__doc__ or "").splitlines()[0]))
    rows = [f"| {code} | {name} | {cell(words)} |" for code, name, words in sorted(found)]
    return EXIT_HEAD + "\n".join(rows) + "\n"


def reference() -> str:
    sections = [described(path, command) for path, command in commands(typer.main.get_command(app))]
    return HEAD + "".join(sections) + settings_table() + exit_codes()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing; exit 1 if docs/cli.md is not fresh")
    text = reference()
    if not parser.parse_args().check:
        PATH.write_text(text, encoding="utf-8")
    elif not PATH.is_file() or PATH.read_text(encoding="utf-8") != text:
        print("docs/cli.md is not fresh; run scripts/cli_reference.py", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
