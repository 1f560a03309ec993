"""The payloads of one federation: fetched by digest, checked, decoded, and put together to the next model.

Participants and the audit use the same functions, so that what a seat votes and what an auditor recomputes cannot
differ by accident.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bcfl.aggregate import AGGREGATION_RULES
from bcfl.cid import Digest
from bcfl.contracts import FederationContract
from bcfl.ipfs import Ipfs
from bcfl.manifest import MAX_MANIFEST_BYTES, Manifest
from bcfl.protocol import Update
from bcfl.weights import (
    UpdateHeader,
    Weights,
    decode_model,
    decode_update,
    encode_model,
    max_update_bytes,
)


def fetch_manifest(ipfs: Ipfs, digest: Digest) -> Manifest:
    """The manifest that a federation's configuration names.

    Raises:
        ContentNotFound, ContentMismatch, IpfsUnreachable: it cannot be had.
        ManifestUnsupported: it asks for what this version cannot do.
    """
    return Manifest.decode(ipfs.fetch(digest, max_bytes=MAX_MANIFEST_BYTES))


class Payloads:
    """What a federation keeps on IPFS.

    Args:
        federation: on chain.
        manifest: as :func:`fetch_manifest` gives it.
        ipfs: any node; it is not trusted.
    """

    def __init__(self, federation: FederationContract, manifest: Manifest, ipfs: Ipfs) -> None:
        self.manifest = manifest
        self.architecture = manifest.model_architecture()
        self.ipfs = ipfs
        self._federation = federation

    def header(self, author: str, round: int, base: Digest) -> UpdateHeader:
        """What an update must say of itself (R2)."""
        return UpdateHeader(
            author.lower(), self._federation.chain.chain_id, self._federation.address.lower(), round, base
        )

    def model(self, digest: Digest, timeout: float | None = None) -> Weights:
        """A global model.

        Raises:
            ContentError: it cannot be had, or is not a model of this federation.
        """
        data = self.ipfs.fetch(digest, max_bytes=max_update_bytes(self.architecture), timeout=timeout)
        return decode_model(data, self.architecture)

    def update(self, update: Update, round: int, base: Digest, timeout: float | None = None) -> Weights:
        """A submitted update, as the delta that it holds.

        Raises:
            ContentError: it cannot be had, or is not an update of this trainer for this round; scores 0.
        """
        data = self.ipfs.fetch(update.digest, max_bytes=max_update_bytes(self.architecture), timeout=timeout)
        return decode_update(data, self.architecture, self.header(update.trainer, round, base))

    def aggregate(
        self,
        updates: Sequence[Update],
        qualified: Sequence[int],
        round: int,
        base: Digest,
        timeout: float | None = None,
    ) -> bytes:
        """The bytes of the next global model: qualified updates in the order of submission, few in memory at a time.

        The base model's own bytes when nothing qualified.

        Raises:
            ContentError: a payload cannot be had; or a qualified one is invalid or the aggregate not finite, neither of
                which a committee with an honest majority lets happen. No honest seat votes then, and the round stalls.
        """
        weights = self.model(base, timeout)

        def deltas() -> Iterator[tuple[Weights, int]]:
            for index in sorted(qualified):
                yield self.update(updates[index], round, base, timeout), updates[index].samples

        if not qualified:
            return encode_model(weights)
        return encode_model(AGGREGATION_RULES[self.manifest.aggregation.rule](weights, deltas()))
