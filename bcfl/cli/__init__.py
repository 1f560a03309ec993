"""The command line, ``bcfl``.

What a command needs is imported inside its function: web3 takes a second and torch two, and a run of ten participants
on two cores, or ``--help``, should not pay for what it does not use.
"""

from __future__ import annotations

import errno
import os
import sys
import traceback
from typing import Annotated, NoReturn

import typer

from bcfl import __version__, errors
from bcfl.cli import (
    account,
    audit,
    certify,
    demo,
    deploy,
    devnet,
    federation,
    model,
    participate,
    rounds,
    settings,
    split,
)
from bcfl.cli.output import one_line

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(devnet.app, name="devnet")
app.command()(deploy.deploy)
app.add_typer(account.app, name="account")
app.command()(certify.certify)
app.command()(certify.register)
app.command()(certify.revoke)
app.add_typer(federation.app, name="federation")
app.command()(participate.participate)
app.command()(rounds.rounds)
app.add_typer(model.app, name="model")
app.command()(audit.audit)
app.command()(demo.demo)
app.command()(split.split)
app.command()(settings.settings)

BUG = 70
"""Exit code of an exception that nobody foresaw (``EX_SOFTWARE`` of sysexits.h)."""

_debug = bool(os.environ.get("BCFL_DEBUG"))


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"bcfl {__version__}")
        raise typer.Exit


@app.callback()
def bcfl(
    debug: Annotated[bool, typer.Option("--debug", help="Show a traceback with every error.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Federated learning without a server to trust: Solidity contracts, IPFS and torch.

    An error is one line, and has an exit code of its own; docs/cli.md lists them.
    """
    del version
    global _debug
    _debug = _debug or debug


def run(arguments: list[str]) -> int:
    """Runs one command and returns its exit code; an error is said on stderr."""
    try:
        app(args=arguments, prog_name="bcfl")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except KeyboardInterrupt:
        return 130
    except errors.BcflError as error:
        return _fail(_words(error), error.exit_code)
    except OSError as error:
        return _fail(*_of_system(error))
    except Exception as error:  # noqa: BLE001 - the last line of defence: one line that names it a bug, as promised
        return _fail(f"this is a bug in bcfl ({type(error).__name__}: {error}); bcfl --debug shows where", BUG)
    return 0


def _words(error: errors.BcflError) -> str:
    if isinstance(error, errors.ContractError) and type(error).__doc__:
        return f"the contract refuses: {error.message}. {type(error).__doc__}"
    return error.message


def _of_system(error: OSError) -> tuple[str, int]:
    """An error of the operating system that no layer below gave a name of ours."""
    where = f"{error.filename}: " if error.filename else ""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"{where}no space left", errors.DiskFull.exit_code
    return f"{where}{error.strerror or error}", errors.ConfigurationError.exit_code


def _fail(message: str, code: int) -> int:
    if _debug:
        traceback.print_exc()
    print(f"bcfl: {one_line(message)}", file=sys.stderr)
    return code


def main() -> NoReturn:
    """The entry point of the ``bcfl`` program."""
    sys.exit(run(sys.argv[1:]))
