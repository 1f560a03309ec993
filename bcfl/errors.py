"""Every exception that bcfl raises, and the exit code of each.

::

    BcflError
    ├── AuditFailed                 1   the history does not replay
    ├── ConfigurationError          3   a setting, file or argument is unusable
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
    │   ├── CertificateEnded       21
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


# One class per custom error of the contracts, in the order of ErrorsLib.sol. Their parameters are in ``arguments``
# under the Solidity names.


class NotCertificateHolder(ContractError):
    """An account registered with a certificate of another."""


class NotCertifier(ContractError):
    """A certificate is not signed by a certifier of the registry."""


class CertificateWithoutRole(ContractError):
    """A certificate gives no role."""


class CertificateExpired(ContractError):
    """A certificate had ended before it was registered."""


class AlreadyRevoked(ContractError):
    """A revoked account registered, or was revoked again."""


class ConfigurationOutOfRange(ContractError):
    """A field of a configuration is outside its range."""


class FinaliseTooCostly(ContractError):
    """``finaliseRound`` of a configuration could need more gas than one transaction may use."""


class NotAFederation(ContractError):
    """The implementation behind the federations was called itself."""


class ParticipantNotActive(ContractError):
    """An account without an active certificate acted."""


class UnexpectedRole(ContractError):
    """A certificate's role does not allow the call, or is not the one that the account had before."""


class AlreadyJoined(ContractError):
    """A member joined again."""


class NotAMember(ContractError):
    """An account acted in a round that it is not a member of."""


class NotSeated(ContractError):
    """An account without a seat did a seat's work."""


class UnexpectedPhase(ContractError):
    """A call came at the wrong time."""


class TooFewMembers(ContractError):
    """A round was opened before enough accounts had joined."""


class SeatedInRound(ContractError):
    """A member of the committee submitted an update."""


class AlreadySubmitted(ContractError):
    """A trainer submitted twice in a round."""


class WrongBase(ContractError):
    """An update was trained from another model than the current one."""


class SamplesOutOfRange(ContractError):
    """A declared number of samples is zero or above the cap."""


class AlreadyCommitted(ContractError):
    """A seat committed twice."""


class NotCommitted(ContractError):
    """A seat revealed without having committed."""


class AlreadyRevealed(ContractError):
    """A seat revealed twice."""


class WrongVectorLength(ContractError):
    """A score vector has not two bytes for each update."""


class CommitmentMismatch(ContractError):
    """Salt and scores do not hash to the seat's commitment."""


class AlreadyVoted(ContractError):
    """A seat voted twice."""


class QuorumNotReached(ContractError):
    """A round was finalised before one model had its quorum."""


class WrongUpdates(ContractError):
    """A round was finalised with updates that are not those submitted."""


class WrongVectorCount(ContractError):
    """A round was finalised with more or fewer score vectors than were revealed."""


class ForeignContractError(ContractError):
    """A custom error of a library that the contracts use (OpenZeppelin); ``arguments`` begins with its ``name``."""


class MembershipError(BcflError):
    """The account may not take part."""

    exit_code = 20


class NotCertified(MembershipError):
    """The account has no certificate in the registry."""

    exit_code = 20


class CertificateEnded(MembershipError):
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
