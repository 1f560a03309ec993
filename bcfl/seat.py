"""A seat's work in one round: fetch, check and score the updates as they come."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait

from bcfl import errors
from bcfl.cid import Digest
from bcfl.payloads import Payloads
from bcfl.protocol import Update
from bcfl.score import Scorer
from bcfl.tasks import Task
from bcfl.weights import Weights

RETRY_SECONDS = 0.5
"""Before the own IPFS node is asked again, when it did not answer or did not find."""

MOST_FETCHERS = 64
"""Threads, each of which may hold one payload; what cannot be found holds one for ``fetch_seconds`` at a time."""


class SeatWork:
    """Scores one round.

    Args:
        round: number and base model of the round; a reorganisation may give the same number another base.
        payloads: the federation's content.
        task: the seat's own task.
        base: the round's base model.
        fetch_seconds: how long to look for a payload.
        capacity: updates that the round may have. Each is waited for by a thread of its own, so that those that nobody
            can fetch hold up no other; scoring itself is done by the caller's thread, for torch runs best with one.
    """

    def __init__(
        self,
        round: tuple[int, Digest],
        payloads: Payloads,
        task: Task,
        base: Weights,
        fetch_seconds: float,
        capacity: int,
    ) -> None:
        self.round = round
        self.seconds = 0.0
        self._payloads = payloads
        self._task = task
        self._base = base
        self._fetch_seconds = fetch_seconds
        self._pool = ThreadPoolExecutor(min(capacity, MOST_FETCHERS), thread_name_prefix="fetch")
        self._closed = threading.Event()
        self._updates: list[Update] = []
        self._start()

    def _start(self) -> None:
        self._scorer = Scorer(self._payloads.manifest.scoring.rule, self._task, self._base)
        self._fetching: dict[Future[Weights], int] = {}
        self._unanswered: dict[int, errors.IpfsUnreachable] = {}
        self._missed: set[int] = set()

    def expect(self, updates: Sequence[Update]) -> None:
        """Starts to fetch the updates that are new. If a reorganisation changed those seen before, all begins anew."""
        if list(updates[: len(self._updates)]) != self._updates:
            self._updates = []
            self._start()
        seen, self._updates = len(self._updates), list(updates)
        for index in range(seen, len(updates)):
            self._fetch(index)

    def _fetch(self, index: int, pause: float = 0.0) -> None:
        number, base = self.round
        update = self._updates[index]

        def fetched() -> Weights:
            self._closed.wait(pause)
            return self._payloads.update(update, number, base, self._fetch_seconds)

        self._fetching[self._pool.submit(fetched)] = index

    def advance(self) -> bool:
        """Scores what has arrived since; says whether anything had."""
        arrived = [future for future in self._fetching if future.done()]
        for future in arrived:
            self._take(self._fetching.pop(future), future)
        return bool(arrived)

    def _take(self, index: int, future: Future[Weights]) -> None:
        start = time.perf_counter()
        try:
            self._scorer.add(index, future.result(), self._updates[index].samples)
        except errors.IpfsUnreachable as error:
            # Our own node is away, for which no trainer is to blame.
            self._unanswered[index] = error
            self._fetch(index, RETRY_SECONDS)
        except errors.ContentNotFound:
            # It may only have been looked for too early; what is still missing when the vector is due is unavailable.
            self._missed.add(index)
            self._fetch(index, RETRY_SECONDS)
        except errors.InvalidContent as error:
            self._scorer.invalid(index, error.reason)
        except errors.ContentError as error:
            self._scorer.invalid(index, error.message)
        self.seconds += time.perf_counter() - start

    def vector(self, patience: float) -> tuple[list[int], dict[int, str]]:
        """The scores of all updates in the order of submission, and why some score 0.

        Args:
            patience: seconds to wait for what is being looked for the first time; what has not come then is
                unavailable.

        Raises:
            IpfsUnreachable: our own node has not answered for some of them: nothing can be said of these yet.
        """
        deadline = time.monotonic() + patience
        while set(self._fetching.values()) - self._missed and time.monotonic() < deadline:
            wait(self._fetching, timeout=max(0.0, deadline - time.monotonic()), return_when=FIRST_COMPLETED)
            self.advance()
        for index in self._fetching.values():
            if index in self._unanswered:
                raise self._unanswered[index]
        for index in self._fetching.values():
            self._scorer.invalid(index, "not found in time")
        start = time.perf_counter()
        scores = self._scorer.vector(len(self._updates))
        self.seconds += time.perf_counter() - start
        return scores, self._scorer.reasons

    def close(self) -> None:
        """Gives up what is still being fetched."""
        self._closed.set()
        self._pool.shutdown(wait=False, cancel_futures=True)
