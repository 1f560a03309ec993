"""One participant: one process, one account, a loop.

Read the federation, decide the one thing that is due (:mod:`bcfl.due`), do it, wait for the next change. Everything
can be done again after a kill: what was sent is on chain, salts are derived from the key, a finished update and a
score vector are on disk before they are sent.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from eth_account.signers.local import LocalAccount

from bcfl import errors
from bcfl.attacks import Attack
from bcfl.chain import Receipt
from bcfl.cid import Digest, cid_of, digest_of_bytes
from bcfl.clock import await_block, turn_seconds
from bcfl.contracts import FederationContract, Snapshot
from bcfl.due import Due, Step, due
from bcfl.files import write_durably
from bcfl.folder import forget_rounds, note_step
from bcfl.history import RoundRecord
from bcfl.payloads import Payloads
from bcfl.protocol import (
    Address,
    ScoreVector,
    Update,
    commitment_of,
    medians_of,
    members_needed,
    moment_of,
    pack,
    rank,
    seats_of,
    submissions_of,
)
from bcfl.rng import RngSuite, seed_of
from bcfl.seat import SeatWork
from bcfl.tasks import Task
from bcfl.weights import encode_update, load_weights, weights_of

log = logging.getLogger("bcfl.participant")

LOOK_SECONDS = 0.2
"""How often the head is asked for. A devnet's round moves several times a second; a look is one request."""

RETRY_SECONDS = 1.0
"""After a step that failed for a reason that may pass."""

KEPT_ROUNDS = 2
"""Finished rounds whose files stay, for a reorganisation and for the curious."""


@dataclass(frozen=True)
class Outcome:
    """How a participant's run ended: rounds finalised in the federation, transactions sent, gas used."""

    finalised: int
    transactions: int
    gas: int


def salt_of(account: LocalAccount, chain_id: int, federation: Address, round: int) -> bytes:
    """The salt of an account's commitment: from its key, so that no restart loses it and nobody else guesses it."""
    message = f"bcfl salt {chain_id} {federation.lower()} {round}".encode()
    return hmac.digest(bytes(account.key), message, hashlib.sha256)


class Participant:
    """Takes part in one federation.

    Args:
        federation: on chain.
        payloads: the federation's content.
        account: unlocked.
        task: the participant's own task, whose model the manifest describes.
        folder: for this account and federation; finished updates and score vectors are kept there.
        attack: what to do wrong, in demonstrations and tests.
        fetch_seconds: how long to look for another's payload before it counts as unavailable.
    """

    def __init__(
        self,
        federation: FederationContract,
        payloads: Payloads,
        account: LocalAccount,
        task: Task,
        folder: Path,
        *,
        attack: Attack | None = None,
        fetch_seconds: float = 20.0,
    ) -> None:
        payloads.manifest.check_model(task.model())
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.federation = federation
        self.payloads = payloads
        self.account = account
        self.address = Address(account.address)
        self.task = task
        self.folder = folder
        self.attack = attack or Attack("none")
        self.fetch_seconds = fetch_seconds
        self.stop = threading.Event()
        self._seat: SeatWork | None = None
        self._sent: list[Receipt] = []
        self._due_since: tuple[Step, int, float] = (Step.WAIT, 0, 0.0)
        self._gave_up: tuple[int, Digest] | None = None
        self._said = ""

    # ------------------------------------------------------------------ the loop

    def run(self) -> Outcome:
        """Takes part until the federation is finished, or ``stop`` is set.

        Raises:
            MembershipError: the account may not take part (any more).
            InsufficientFunds: it cannot pay for gas.
            ChainUnreachable: the node has not answered for a minute.
        """
        self.federation.registry.require_active(self.address)
        if not self.federation.chain.balance_of(self.address):
            raise errors.InsufficientFunds(f"{self.address} has no ether; it pays gas for what it sends")
        snapshot = self._look()
        while not self.stop.is_set():
            step = self._due(snapshot)
            if step.step is Step.END:
                break
            if self._take(step, snapshot):
                self._wait(snapshot, step)
            snapshot = self._look()
        self._close_seat()
        return Outcome(snapshot.finalised, len(self._sent), sum(each.gas for each in self._sent))

    def _look(self) -> Snapshot:
        """The state of the federation; patient with a node that is away for a while, or behind another of its kind."""
        deadline = time.monotonic() + 60
        while True:
            try:
                return self.federation.snapshot(self.address)
            except (errors.ChainUnreachable, errors.TransactionFailed) as error:
                if time.monotonic() > deadline or self.stop.is_set():
                    raise
                self._say(f"{error.message}; asking again for a minute")
                self.stop.wait(RETRY_SECONDS)

    def _say(self, text: str) -> None:
        """Says once what would otherwise be said at every look."""
        if text != self._said:
            log.info(text)
        self._said = text

    def _due(self, snapshot: Snapshot) -> Due:
        config = self.federation.config
        now = self.federation.chain.now()
        start_members = max(members_needed(config), self.payloads.manifest.start_members)
        if snapshot.round.number == 0 and snapshot.members < start_members:
            self._say(f"{snapshot.members} of {start_members} members have joined; the first round waits for all")
        pace = turn_seconds(self.federation.chain, snapshot.block.number)
        return due(self.address, snapshot.member, snapshot.round, config, snapshot.members, now, start_members, pace)

    def _take(self, what: Due, snapshot: Snapshot) -> bool:
        """Takes a step whose time has come. Says whether to wait for a change; after a failure it is decided anew."""
        key = (what.step, snapshot.round.number)
        if self._due_since[:2] != key:
            self._due_since = (*key, time.monotonic())
        if self._seat and self._seat.round != (snapshot.round.number, snapshot.global_model):
            self._close_seat()
        action = self._actions().get(what.step)
        if action is None or time.monotonic() - self._due_since[2] < what.after:
            return True
        try:
            return self._attempt(action, snapshot)
        except errors.ParticipantNotActive:
            self.federation.registry.require_active(self.address)  # says in words why
            raise
        except (errors.InsufficientFunds, errors.DiskFull):
            raise
        except (errors.ChainError, errors.ContentError) as error:
            log.warning("%s in round %s: %s", what.step.value, snapshot.round.number, error.message)
            self._note("failed", snapshot, step_failed=what.step.value, reason=error.message)
            self.stop.wait(RETRY_SECONDS)
            return False

    def _attempt(self, action: Callable[[Snapshot], None], snapshot: Snapshot) -> bool:
        """Says whether an action was in time: not too early by the time of the last block, and nobody was faster."""
        try:
            action(snapshot)
        except errors.UnexpectedPhase as error:
            log.debug("round %s: %s", snapshot.round.number, error.message)
            mined = await_block(self.federation.chain, self.account, snapshot.block, self.stop, LOOK_SECONDS)
            self._sent += [mined] if mined else []
            return False
        return True

    def _actions(self) -> Mapping[Step, Callable[[Snapshot], None]]:
        return {
            Step.JOIN: self._join,
            Step.OPEN: self._open,
            Step.TRAIN: self._train,
            Step.SCORE: self._score,
            Step.COMMIT: self._commit,
            Step.REVEAL: self._reveal,
            Step.VOTE: self._vote,
            Step.FINALISE: self._finalise,
        }

    def _wait(self, seen: Snapshot, what: Due) -> None:
        """Until the chain has a new block, the phase ends, or a step that leaves others the turn comes to its own."""
        chain = self.federation.chain
        while not self.stop.is_set():
            if self._seat and what.step is Step.SCORE and self._seat.advance():
                return
            waited = time.monotonic() - self._due_since[2]
            ended = what.ends_at is not None and chain.now() >= what.ends_at
            my_turn = what.after > 0 and waited >= what.after
            try:
                if ended or my_turn or chain.head().hash != seen.block.hash:
                    return
            except (errors.ChainUnreachable, errors.TransactionFailed):
                return
            self.stop.wait(LOOK_SECONDS)

    # ------------------------------------------------------------------ membership and rounds

    def _join(self, snapshot: Snapshot) -> None:
        self._send("join", snapshot, lambda: self.federation.join(self.account))

    def _open(self, snapshot: Snapshot) -> None:
        self._send("open", snapshot, lambda: self.federation.open_round(self.account))

    def _finalise(self, snapshot: Snapshot) -> None:
        record = self._record(snapshot)
        vectors = [record.vectors[seat] for seat in sorted(record.vectors)]
        number = snapshot.round.number
        self._send(
            "finalise", snapshot, lambda: self.federation.finalise_round(self.account, number, record.updates, vectors)
        )

    # ------------------------------------------------------------------ trainer

    def _train(self, snapshot: Snapshot) -> None:
        another = self._payload_of_another(snapshot)
        if self.attack.name == "copier" and not another:
            return  # the next block may bring something to copy
        number, base = snapshot.round.number, snapshot.global_model
        if self._gave_up == (number, base):
            return
        file = self.folder / f"update-{number}-{base.hex()[:16]}.safetensors"
        try:
            samples, payload = self._finished_update(file) or self._new_update(snapshot, file, another)
        except errors.InvalidContent as error:
            # Training diverged, or the base model is no model: trying again would end alike.
            log.warning("round %s: nothing to submit: %s", number, error.reason)
            self._gave_up = (number, base)
            return
        if self.attack.pins:
            start = time.monotonic()
            digest = self.payloads.ipfs.pin(payload)
            self._note("pin", snapshot, seconds=time.monotonic() - start, bytes=len(payload), cid=cid_of(digest))
        else:
            digest = digest_of_bytes(payload)
        self._send(
            "submit",
            snapshot,
            lambda: self.federation.submit_update(self.account, number, base, digest, samples),
            cid=cid_of(digest),
        )

    def _finished_update(self, file: Path) -> tuple[int, bytes] | None:
        """The update that an earlier start finished. The file begins with the number of samples."""
        if not file.is_file():
            return None
        data = file.read_bytes()
        return int.from_bytes(data[:4], "big"), data[4:]

    def _new_update(self, snapshot: Snapshot, file: Path, another: bytes) -> tuple[int, bytes]:
        number, base = snapshot.round.number, snapshot.global_model
        weights = self.payloads.model(base, self.fetch_seconds)
        model = self.task.model()
        load_weights(model, weights)
        rng = RngSuite.from_seed(seed_of(self.federation.address, self.address, number))
        start = time.monotonic()
        result = self.task.train(model, snapshot.round, rng)
        seconds = time.monotonic() - start
        log.info("round %s: train (%s samples, loss %.4f, %.2f s)", number, result.samples, result.loss, seconds)
        self._note("train", snapshot, seconds=seconds, samples=result.samples, loss=result.loss)
        trained = weights_of(model)
        delta = {name: trained[name] - np.asarray(weights[name]) for name in trained}
        poisoned = self.attack.poison(delta, rng.numpy)
        payload = encode_update(poisoned, self.payloads.header(self.address, number, base))
        payload = self.attack.corrupt(payload, another)
        samples = min(result.samples, self.federation.config.max_samples)
        write_durably(file, samples.to_bytes(4, "big") + payload)
        forget_rounds(self.folder, "update-", number - KEPT_ROUNDS)
        return samples, payload

    def _payload_of_another(self, snapshot: Snapshot) -> bytes:
        """What a copier copies: the first payload submitted that can be had, if there is one."""
        updates = self._record(snapshot).updates if self.attack.name == "copier" else []
        for update in updates:
            with contextlib.suppress(errors.ContentError):
                return self.payloads.ipfs.fetch(update.digest, max_bytes=1 << 32, timeout=self.fetch_seconds)
        return b""

    # ------------------------------------------------------------------ seat

    def _seat_work(self, snapshot: Snapshot) -> SeatWork:
        key = (snapshot.round.number, snapshot.global_model)
        if self._seat is None:
            base = self.payloads.model(snapshot.global_model, self.fetch_seconds)
            self._seat = SeatWork(key, self.payloads, self.task, base, self.fetch_seconds, snapshot.round.capacity)
        self._seat.expect(self._record(snapshot).updates)
        return self._seat

    def _close_seat(self) -> None:
        if self._seat:
            self._seat.close()
        self._seat = None

    def _score(self, snapshot: Snapshot) -> None:
        """Fetches and scores what was submitted so far, while others still train."""
        self._seat_work(snapshot).advance()

    def _vector_file(self, record: RoundRecord) -> Path:
        # Named after the submissions: if a reorganisation changes them, the vector is another one.
        submissions = submissions_of(record.number, record.updates)
        return self.folder / f"scores-{record.number}-{submissions.hex()[:16]}.bin"

    def _commit(self, snapshot: Snapshot) -> None:
        record = self._record(snapshot)
        file = self._vector_file(record)
        if not file.is_file():
            work = self._seat_work(snapshot)
            scores, refused = work.vector(self._patience(snapshot))
            for index, reason in refused.items():
                trainer = record.updates[index].trainer
                log.info("round %s: update of %s scores 0: %s", record.number, trainer, reason)
                self._note("refuse", snapshot, trainer=trainer, reason=reason)
            log.info("round %s: score (%s updates, %.2f s)", record.number, len(scores), work.seconds)
            self._note("score", snapshot, seconds=work.seconds)  # not the scores: they are sealed until the reveal
            # On disk before anything is sent: what is committed must be revealed, and scoring again might differ.
            write_durably(file, pack(scores))
            forget_rounds(self.folder, "scores-", record.number - KEPT_ROUNDS)
        scores_packed = file.read_bytes()
        commitment = commitment_of(record.number, snapshot.member.seat, self._salt(record.number), scores_packed)
        self._send("commit", snapshot, lambda: self.federation.commit_scores(self.account, record.number, commitment))

    def _patience(self, snapshot: Snapshot) -> float:
        """Seconds to wait for payloads that have not come yet: at most half of what is left of the phase."""
        now = self.federation.chain.now()
        ends_at = moment_of(snapshot.round, self.federation.config, int(now)).ends_at
        left = ends_at - now if ends_at else self.fetch_seconds
        return max(0.0, min(self.fetch_seconds, left / 2))

    def _reveal(self, snapshot: Snapshot) -> None:
        record = self._record(snapshot)
        file = self._vector_file(record)
        if not file.is_file():
            raise errors.ContentNotFound(f"the score vector of round {record.number} is not in {self.folder} any more")
        vector = ScoreVector(self._salt(record.number), file.read_bytes())
        self._send("reveal", snapshot, lambda: self.federation.reveal_scores(self.account, record.number, vector))

    def _vote(self, snapshot: Snapshot) -> None:
        record, config = self._record(snapshot), self.federation.config
        start = time.monotonic()
        medians = medians_of(list(record.scores().values()), len(record.updates))
        trainers = [update.trainer for update in record.updates]
        qualified = rank(medians, trainers, record.number, config.min_score, config.max_qualified)
        model = self.payloads.aggregate(
            record.updates, qualified, record.number, snapshot.global_model, self._patience(snapshot)
        )
        digest = self.payloads.ipfs.pin(model)
        self._note("aggregate", snapshot, seconds=time.monotonic() - start, qualified=qualified, cid=cid_of(digest))
        self._send(
            "vote",
            snapshot,
            lambda: self.federation.submit_vote(self.account, record.number, digest),
            cid=cid_of(digest),
        )
        self._keep([record.updates[index] for index in qualified])

    def _keep(self, updates: Sequence[Update]) -> None:
        """Has our node keep what went into the model: an audit needs it, and its authors may drop it."""
        for update in updates:
            try:
                self.payloads.ipfs.keep(update.digest)
            except errors.ContentError as error:
                log.warning("update %s is not kept: %s", cid_of(update.digest), error.message)

    def _salt(self, number: int) -> bytes:
        return salt_of(self.account, self.federation.chain.chain_id, self.federation.address, number)

    # ------------------------------------------------------------------ shared

    def _record(self, snapshot: Snapshot) -> RoundRecord:
        """The current round as its events up to the snapshot's block tell it."""
        record = RoundRecord(snapshot.round.number)
        for event in self.federation.events_of(snapshot.round, snapshot.block.number):
            record.add(event)
        if len(record.updates) != snapshot.round.updates or set(record.vectors) != set(
            seats_of(snapshot.round.revealed)
        ):
            raise errors.TransactionFailed("the node's events lag behind its state")
        return record

    def _send(self, step: str, snapshot: Snapshot, action: Callable[[], Receipt], **fields: Any) -> None:
        start = time.monotonic()
        receipt = action()
        self._sent.append(receipt)
        seconds = time.monotonic() - start
        log.info("round %s: %s (%s gas, %.2f s)", snapshot.round.number, step, f"{receipt.gas:,}", seconds)
        self._note(step, snapshot, seconds=seconds, gas=receipt.gas, transaction=receipt.transaction, **fields)

    def _note(self, step: str, snapshot: Snapshot, **fields: Any) -> None:
        line = {"time": round(time.time(), 3), "round": snapshot.round.number, "step": step, "account": self.address}
        note_step(self.folder, {**line, **fields})
