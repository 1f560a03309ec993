"""Our contracts as typed Python over :mod:`bcfl.chain`, and the record of a deployment."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, astuple, dataclass, fields
from pathlib import Path
from typing import Any

from eth_account.messages import SignableMessage, encode_typed_data
from eth_account.signers.local import LocalAccount

from bcfl import errors
from bcfl.chain import Block, Chain, Event, Receipt, address_of
from bcfl.cid import Digest
from bcfl.protocol import Address, Configuration, Election, Member, Role, Round, ScoreVector, Update

PROTOCOL_VERSION = 1
"""The ``VERSION`` of the federations that this package speaks with."""

_CERTIFICATE_FIELDS = [
    {"name": "participant", "type": "address"},
    {"name": "role", "type": "uint8"},
    {"name": "encryptionKey", "type": "bytes32"},
    {"name": "profile", "type": "bytes32"},
    {"name": "expiresAt", "type": "uint64"},
]


@dataclass(frozen=True)
class Certificate:
    """What a certifier signs for one account. ``expires_at`` in Unix seconds."""

    participant: Address
    role: Role
    expires_at: int
    encryption_key: bytes = bytes(32)
    profile: bytes = bytes(32)

    def message(self, chain_id: int, registry: Address) -> SignableMessage:
        """The EIP-712 message that binds the certificate to one registry on one chain."""
        domain = {"name": "bcfl Registry", "version": "1", "chainId": chain_id, "verifyingContract": registry}
        return encode_typed_data(domain, {"Certificate": _CERTIFICATE_FIELDS}, self._values())

    def _values(self) -> dict[str, Any]:
        return {
            "participant": self.participant,
            "role": int(self.role),
            "encryptionKey": self.encryption_key,
            "profile": self.profile,
            "expiresAt": self.expires_at,
        }


@dataclass(frozen=True)
class SignedCertificate:
    """A certificate and its signature, as a certifier hands it over in a JSON file."""

    certificate: Certificate
    signature: bytes
    chain_id: int
    registry: Address

    @classmethod
    def sign(
        cls, certificate: Certificate, certifier: LocalAccount, chain_id: int, registry: Address
    ) -> SignedCertificate:
        """Signs a certificate, off line."""
        signed = certifier.sign_message(certificate.message(chain_id, registry))
        return cls(certificate, bytes(signed.signature), chain_id, registry)

    def to_json(self) -> str:
        """The text of a certificate file."""
        content = self.certificate
        record = {
            "participant": content.participant,
            "role": content.role.name.lower(),
            "encryptionKey": content.encryption_key.hex(),
            "profile": content.profile.hex(),
            "expiresAt": content.expires_at,
            "chainId": self.chain_id,
            "registry": self.registry,
            "signature": self.signature.hex(),
        }
        return json.dumps(record, indent=2) + "\n"

    @classmethod
    def from_json(cls, text: str) -> SignedCertificate:
        """Reads :meth:`to_json`.

        Raises:
            ConfigurationError: the text is not a certificate file.
        """
        try:
            record = json.loads(text)
            certificate = Certificate(
                participant=address_of(record["participant"]),
                role=Role[record["role"].upper()],
                expires_at=int(record["expiresAt"]),
                encryption_key=bytes.fromhex(record["encryptionKey"]),
                profile=bytes.fromhex(record["profile"]),
            )
            signature = bytes.fromhex(record["signature"])
            return cls(certificate, signature, int(record["chainId"]), address_of(record["registry"]))
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise errors.ConfigurationError("not a certificate file of bcfl certify") from error


@dataclass(frozen=True)
class Deployment:
    """Where a consortium's contracts are: ``deployments/<chain id>.json``; ``block`` is the first with their events."""

    chain_id: int
    registry: Address
    implementation: Address
    factory: Address
    block: int
    version: int

    @classmethod
    def load(cls, path: Path) -> Deployment:
        """Reads a record.

        Raises:
            ConfigurationError: there is none, or it is not one.
        """
        try:
            record = json.loads(path.read_text())
            names = {each.name for each in fields(cls)}
            return cls(**{name: value for name, value in record.items() if name in names})
        except FileNotFoundError:
            raise errors.ConfigurationError(f"no deployment record at {path}; run bcfl deploy") from None
        except (ValueError, TypeError, AttributeError) as error:
            raise errors.ConfigurationError(f"{path} is not a deployment record") from error

    def save(self, path: Path) -> None:
        """Writes the record."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(asdict(self), indent=2) + "\n")


def deploy(chain: Chain, account: LocalAccount, tell: Callable[[str, Receipt], None] | None = None) -> Deployment:
    """Deploys registry, implementation and factory; the account becomes the registry's administrator and certifier."""

    def one(name: str, *args: Any) -> tuple[Address, int]:
        receipt = chain.deploy(account, name, *args)
        if receipt.contract is None:
            raise errors.TransactionFailed(f"the deployment of {name} left no contract")
        if tell:
            tell(name, receipt)
        return receipt.contract, receipt.block

    registry, block = one("Registry", account.address)
    implementation, _ = one("Federation")
    factory, _ = one("FederationFactory", implementation)
    return Deployment(chain.chain_id, registry, implementation, factory, block, PROTOCOL_VERSION)


class RegistryContract:
    """The consortium on chain."""

    def __init__(self, chain: Chain, address: Address) -> None:
        self.chain = chain
        self.address = address
        self.contract = chain.contract("Registry", address)

    def register(self, account: LocalAccount, signed: SignedCertificate) -> Receipt:
        """Registers the account with a certificate that was signed for it.

        Raises:
            ConfigurationError: the certificate is for another chain or registry.
            ContractError: NotCertificateHolder, NotCertifier, CertificateExpired, AlreadyRevoked.
        """
        if (signed.chain_id, signed.registry) != (self.chain.chain_id, self.address):
            raise errors.ConfigurationError(
                f"the certificate is for registry {signed.registry} on chain {signed.chain_id}, "
                f"not {self.address} on chain {self.chain.chain_id}"
            )
        content = signed.certificate
        values = (content.participant, int(content.role), content.encryption_key, content.profile, content.expires_at)
        return self.contract.send(account, "register", values, signed.signature)

    def revoke(self, certifier: LocalAccount, participant: Address) -> Receipt:
        """Ends an account's membership, at once and for good."""
        return self.contract.send(certifier, "revoke", participant)

    def is_certifier(self, account: Address) -> bool:
        """Whether certificates that the account signs count."""
        return bool(self.contract.call("hasRole", self.contract.call("CERTIFIER_ROLE"), account))

    def require_active(self, account: Address) -> None:
        """Checks that an account may take part now.

        Raises:
            NotCertified: it never registered.
            CertificateEnded: its certificate has ended.
            CertificateRevoked: it was revoked.
        """
        expires_at = int(self.contract.call("expiryOf", account))
        self.chain.head()  # whose clock may run ahead of ours
        if expires_at > self.chain.now():
            role = self.contract.call("roleOf", account)
            if role != Role.PARTICIPANT:
                raise errors.NotCertified(f"{account} is certified for another role than that of a participant")
            return
        if self.contract.call("isRevoked", account):
            raise errors.CertificateRevoked(f"{account} was revoked; revocation is final")
        if expires_at == 0:
            raise errors.NotCertified(f"{account} has not registered with a certificate; see bcfl certify and register")
        ended = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(expires_at))
        raise errors.CertificateEnded(f"the certificate of {account} ended on {ended}; ask the certifier for a new one")


@dataclass(frozen=True)
class Snapshot:
    """What a federation says at one block, for one account."""

    block: Block
    round: Round
    global_model: Digest
    finalised: int
    committee: tuple[Address, ...]
    members: int
    member: Member


class FederationContract:
    """One learning task on chain.

    Raises:
        NoSuchFederation: there is no federation at the address.
        WrongVersion: it speaks another version of the protocol.
    """

    def __init__(self, chain: Chain, address: Address) -> None:
        self.chain = chain
        self.address = address
        self.contract = chain.contract("Federation", address)
        if not chain.code_at(address):
            raise errors.NoSuchFederation(f"no federation at {address} on chain {chain.chain_id}")
        version = self._ask("VERSION")
        if version != PROTOCOL_VERSION:
            raise errors.WrongVersion(
                f"the federation at {address} is of version {version}; this package speaks {PROTOCOL_VERSION}"
            )
        self.config = configuration_from(self._ask("configuration"))
        self.registry = RegistryContract(chain, self.config.registry)
        self._opened_in: Block | None = None

    def _ask(self, function: str) -> Any:
        """What only a federation can answer."""
        try:
            return self.contract.call(function)
        except errors.ChainUnreachable:
            raise
        except errors.ChainError as error:
            raise errors.NoSuchFederation(f"the contract at {self.address} is not a federation") from error

    def snapshot(self, account: Address) -> Snapshot:
        """The federation's state at the latest block, read at that block as a whole."""
        block = self.chain.head()

        def ask(function: str, *args: Any) -> Any:
            return self.contract.call(function, *args, block=block.number)

        return Snapshot(
            block=block,
            round=Round(*ask("currentRound")),
            global_model=Digest(ask("globalModel")),
            finalised=ask("finalisedRounds"),
            committee=tuple(address_of(each) for each in ask("committee")),
            members=ask("memberCount"),
            member=Member(*ask("memberOf", account)),
        )

    def join(self, account: LocalAccount) -> Receipt:
        """Joins, from the next round on."""
        return self.contract.send(account, "join")

    def open_round(self, account: LocalAccount) -> Receipt:
        """Opens the first round, or the next one after a stall."""
        return self.contract.send(account, "openRound")

    def submit_update(self, account: LocalAccount, round: int, base: Digest, digest: Digest, samples: int) -> Receipt:
        """Submits the digest of a pinned update."""
        return self.contract.send(account, "submitUpdate", round, base, digest, samples)

    def commit_scores(self, account: LocalAccount, round: int, commitment: bytes) -> Receipt:
        """Commits to a score vector."""
        return self.contract.send(account, "commitScores", round, commitment)

    def reveal_scores(self, account: LocalAccount, round: int, vector: ScoreVector) -> Receipt:
        """Reveals the score vector."""
        return self.contract.send(account, "revealScores", round, vector.salt, vector.scores)

    def submit_vote(self, account: LocalAccount, round: int, model: Digest) -> Receipt:
        """Votes the digest of the aggregate."""
        return self.contract.send(account, "submitVote", round, model)

    def finalise_round(
        self, account: LocalAccount, round: int, updates: Sequence[Update], vectors: Sequence[ScoreVector]
    ) -> Receipt:
        """Ends a round whose model has its quorum."""
        return self.contract.send(
            account,
            "finaliseRound",
            round,
            [astuple(update) for update in updates],
            [astuple(vector) for vector in vectors],
        )

    def events_of(self, round: Round, last: int) -> list[Event]:
        """The events of the current round up to a block."""
        opened_in = self._opened_in
        # It takes some ten requests to find. A reorganisation may have put the same second into another block.
        if opened_in is None or opened_in.timestamp != round.opened_at or not self.chain.has(opened_in):
            opened_in = self._opened_in = self.chain.first_since(round.opened_at)
        return list(self.contract.events(opened_in.number, last, round=round.number)) if opened_in else []


def create_federation(
    chain: Chain, factory: Address, account: LocalAccount, config: Configuration
) -> tuple[Address, Receipt]:
    """Creates a federation. Returns its address and the receipt of the transaction."""
    contract = chain.contract("FederationFactory", factory)
    receipt = contract.send(account, "createFederation", astuple(config))
    for event in contract.events(receipt.block, receipt.block):
        if event.transaction == receipt.transaction:
            return address_of(event.args["federation"]), receipt
    raise errors.TransactionFailed("the factory created no federation")


def federations_of(chain: Chain, deployment: Deployment) -> list[Event]:
    """The ``FederationCreated`` events of a deployment's factory."""
    return list(chain.contract("FederationFactory", deployment.factory).events(deployment.block))


def configuration_from(values: Sequence[Any]) -> Configuration:
    """A configuration from the contract's tuple, in calls and in ``FederationCreated``.

    Raises:
        WrongVersion: it names an election that this version does not know.
    """
    registry, manifest, model, election, *numbers = values
    if election not in list(Election):
        raise errors.WrongVersion(f"the federation elects by rule {election}, which this version does not know")
    return Configuration(address_of(registry), Digest(manifest), Digest(model), Election(election), *numbers)
