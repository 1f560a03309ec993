"""Every exception that bcfl raises, and the exit code of each.

::

    BcflError
    ├── AuditFailed                 1   the history does not replay
    ├── ConfigurationError          3   a setting, file or argument is unusable
    ├── Interrupted                 4   a wait that the caller bounded ran out
    ├── ChainError
    │   ├── ChainUnreachable       10
    │   ├── WrongChain             11
    │   ├── NoSuchFederation       12
    │   ├── WrongVersion           13
    │   ├── InsufficientFunds      14
    │   ├── TransactionFailed      15   sent, mined, reverted; or never mined
    │   └── ContractError          16   one subclass per custom error of the contracts, same name
    ├── MembershipError
    │   ├── NotCertified           20
    │   ├── CertificateExpired     21
    │   └── CertificateRevoked     22
    ├── KeystoreError
    │   ├── WrongPassword          25
    │   └── BadKeystore            26
    ├── ContentError
    │   ├── IpfsUnreachable        30
    │   ├── ContentNotFound        31
    │   ├── ContentMismatch        32   bytes that do not hash to their digest
    │   └── InvalidContent         33   bytes of another participant that break a rule of their format
    ├── ManifestError
    │   ├── ManifestUnsupported    40
    │   └── ModelMismatch          41
    └── MachineError
        ├── PortTaken              50
        ├── DiskFull               51
        ├── ToolMissing            52   a node, compiler or data set that is not installed
        └── NodeFailed             53   a local node that did not start

The command line prints ``message`` on one line and exits with ``exit_code``.
Code 2 is the command line's own (usage); 130 is an interrupt from the keyboard.
"""

from __future__ import annotations

from typing import Any, ClassVar


class BcflError(Exception):
    """Base of everything that bcfl raises on purpose."""

    exit_code: ClassVar[int] = 70
    hint: ClassVar[str] = ""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class AuditFailed(BcflError):
    """The history does not replay: what is on chain differs from what the rules give."""

    exit_code = 1


class ConfigurationError(BcflError):
    """A setting, file or argument cannot be used."""

    exit_code = 3


class Interrupted(BcflError):
    """A wait that the caller bounded ran out."""

    exit_code = 4


class ChainError(BcflError):
    """Something between us and the contracts."""

    exit_code = 15


class ChainUnreachable(ChainError):
    """No chain answers at the RPC address."""

    exit_code = 10


class WrongChain(ChainError):
    """The node serves another chain than the one that the settings or the deployment name."""

    exit_code = 11


class NoSuchFederation(ChainError):
    """No federation contract at that address."""

    exit_code = 12


class WrongVersion(ChainError):
    """The contract is of a version that this package does not speak."""

    exit_code = 13


class InsufficientFunds(ChainError):
    """The account cannot pay for the gas of the transaction."""

    exit_code = 14


class TransactionFailed(ChainError):
    """A transaction was mined and reverted without a reason we know, or was never mined."""

    exit_code = 15


class ContractError(ChainError):
    """A custom error of the contracts; the subclasses carry the names of ``contracts/libraries/ErrorsLib.sol``.

    ``arguments`` maps the parameter names of the Solidity error to their decoded values.
    """

    exit_code = 16

    def __init__(self, arguments: dict[str, Any]) -> None:
        self.arguments = arguments
        said = ", ".join(f"{name}={value}" for name, value in arguments.items())
        super().__init__(f"{type(self).__name__}({said})")


class MembershipError(BcflError):
    """The account may not take part."""

    exit_code = 20


class NotCertified(MembershipError):
    """The account has no certificate in the registry."""

    exit_code = 20


class CertificateExpired(MembershipError):
    """The account's certificate has ended."""

    exit_code = 21


class CertificateRevoked(MembershipError):
    """The account was revoked; revocation is final."""

    exit_code = 22


class KeystoreError(BcflError):
    """A key file cannot be used."""

    exit_code = 26


class WrongPassword(KeystoreError):
    """The password does not open the keystore file."""

    exit_code = 25


class BadKeystore(KeystoreError):
    """The file is not a keystore, or its permissions let others read it."""

    exit_code = 26


class ContentError(BcflError):
    """Something about a payload on IPFS."""

    exit_code = 33


class IpfsUnreachable(ContentError):
    """No IPFS node answers at the address."""

    exit_code = 30


class ContentNotFound(ContentError):
    """The node did not find the content in time."""

    exit_code = 31


class ContentMismatch(ContentError):
    """The bytes that a node sent do not hash to the digest asked for."""

    exit_code = 32


class InvalidContent(ContentError):
    """The bytes are what the digest names, and break a rule of their format.

    ``reason`` is short, in our own words, and never repeats the other side's text.
    """

    exit_code = 33

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class ManifestError(BcflError):
    """The federation's manifest and this participant do not fit."""

    exit_code = 40


class ManifestUnsupported(ManifestError):
    """The manifest asks for something that this version cannot do."""

    exit_code = 40


class ModelMismatch(ManifestError):
    """The task's model is not the architecture that the manifest describes."""

    exit_code = 41


class MachineError(BcflError):
    """Something on this machine."""

    exit_code = 53


class PortTaken(MachineError):
    """A port that was asked for by name is in use."""

    exit_code = 50


class DiskFull(MachineError):
    """No space is left where a file must be written."""

    exit_code = 51


class ToolMissing(MachineError):
    """A program or data set that bcfl needs is not installed."""

    exit_code = 52


class NodeFailed(MachineError):
    """A local node did not start, or died."""

    exit_code = 53
