"""Content on IPFS: the only module that speaks to an IPFS node, through Kubo's RPC API.

What a node sends is believed only once it hashes to the digest asked for, so any node will do. A cache on disk sits in
front.
"""

from __future__ import annotations

import functools
import http.client
import importlib
import json
import os
import time
import urllib.parse
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any, NamedTuple

from bcfl.cid import CHUNK_BYTES, Digest, cid_of, digest_of_bytes
from bcfl.content_cache import ContentCache
from bcfl.errors import (
    BcflError,
    ConfigurationError,
    ContentMismatch,
    ContentNotFound,
    DiskFull,
    InvalidContent,
    IpfsUnreachable,
)

__all__ = ["ContentCache", "Identity", "Ipfs", "parse_address"]

_READ_BYTES = 1 << 20
_ERROR_BYTES = 1 << 16
# The tree whose root digest_of_bytes computes, said in full: a Kubo may be configured to make another one.
_ADD_OPTIONS = {"pin": "true", "cid-version": "0", "raw-leaves": "false", "chunker": f"size-{CHUNK_BYTES}"}


@dataclass(frozen=True)
class Identity:
    """What a node says of itself: its peer id, the multiaddresses where peers reach it, and its program."""

    peer: str
    addresses: tuple[str, ...]
    agent: str


class _Address(NamedTuple):
    scheme: str
    host: str
    port: int

    @property
    def url(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}"

    @property
    def multiaddr(self) -> str:
        kind = "ip6" if ":" in self.host else "ip4" if self.host.replace(".", "").isdigit() else "dns"
        return f"/{kind}/{self.host}/tcp/{self.port}/{self.scheme}"


def parse_address(text: str) -> _Address:
    """``http://host:port`` or ``/ip4/host/tcp/port``; also ``ip6``, ``dns``, ``dns4``, ``dns6``, and a last ``/https``.

    Raises:
        ConfigurationError: the text is neither.
    """
    try:
        if text.startswith("/"):
            _, kind, host, tcp, port, *scheme = text.split("/")
            if kind in {"ip4", "ip6", "dns", "dns4", "dns6"} and tcp == "tcp" and scheme in ([], ["http"], ["https"]):
                return _Address(scheme[0] if scheme else "http", host, _port(port))
        else:
            url = urllib.parse.urlsplit(text)
            if url.scheme in {"http", "https"} and url.hostname and url.path in {"", "/"} and not url.query:
                return _Address(url.scheme, url.hostname, url.port or 5001)
    except ValueError:
        pass  # too few parts, or a port that is none: the same answer
    raise ConfigurationError(
        f"not the address of an IPFS node, such as http://127.0.0.1:5001 or /ip4/127.0.0.1/tcp/5001: {text[:100]!r}"
    )


def _port(text: str) -> int:
    number = int(text)
    if not 0 < number < 65536:
        raise ValueError(text)
    return number


class Ipfs:
    """One IPFS node, used from any number of threads.

    Args:
        address: ``http://127.0.0.1:5001`` or ``/ip4/127.0.0.1/tcp/5001``.
        cache: what is fetched or pinned is kept there, and looked for there first; None for no cache.
        timeout: seconds that a call may wait, unless it names its own.
    """

    def __init__(self, address: str, *, cache: ContentCache | None, timeout: float) -> None:
        self._address = parse_address(address)
        self._cache = cache
        self._timeout = timeout

    @property
    def address(self) -> str:
        """The node's RPC API as a URL."""
        return self._address.url

    def pin(self, data: bytes) -> Digest:
        """Add bytes to the node, pinned; the digest is that of ``bcfl.cid``.

        Raises:
            IpfsUnreachable, DiskFull, ContentMismatch: the node says another CID than the one that the bytes have.
        """
        digest = digest_of_bytes(data)
        answered = self._call(lambda client: str(client.add_bytes(data, opts=_ADD_OPTIONS)))
        if answered != cid_of(digest):
            raise ContentMismatch(f"the IPFS node at {self.address} named {cid_of(digest)} {answered[:64]!r}")
        if self._cache is not None:
            self._cache.put(digest, data)
        return digest

    def fetch(self, digest: Digest, *, max_bytes: int, timeout: float | None = None) -> bytes:
        """The bytes that a digest names, from the cache or the node, checked.

        Args:
            digest: what to fetch.
            max_bytes: no more than that is ever held in memory.
            timeout: seconds for the whole transfer; None for that of the constructor.

        Raises:
            ContentNotFound: not here in time.
            ContentMismatch: the bytes are not those that the digest names.
            InvalidContent: larger than ``max_bytes``, or no file.
            IpfsUnreachable, DiskFull: the node, or its disk.
        """
        cached = None if self._cache is None else self._cache.get(digest)
        if cached is not None:
            return _bounded(cached, max_bytes)
        seconds = self._timeout if timeout is None else timeout
        data = _bounded(self._cat(cid_of(digest), max_bytes, seconds), max_bytes)
        if digest_of_bytes(data) != digest:
            raise ContentMismatch(f"what the IPFS node at {self.address} sent for {cid_of(digest)} is something else")
        if self._cache is not None:
            self._cache.put(digest, data)
        return data

    def keep(self, digest: Digest) -> None:
        """Has the node keep content that it fetched, until it is unpinned.

        Raises:
            IpfsUnreachable: the node does not answer.
            ContentNotFound: it does not find the content.
        """
        self._call(lambda client: client.pin.add(cid_of(digest), timeout=self._timeout))

    def unpin(self, digest: Digest) -> None:
        """Let the node drop the content when it next collects garbage; not pinned is fine.

        Raises:
            IpfsUnreachable: the node does not answer.
        """
        self._call(lambda client: client.pin.rm(cid_of(digest)), unless="not pinned")

    def has(self, digest: Digest) -> bool:
        """Whether the node holds the content pinned, and so whole and for good.

        Raises:
            IpfsUnreachable: the node does not answer.
        """
        listed = self._call(lambda client: client.pin.ls(cid_of(digest), type="recursive"), unless="not pinned")
        return listed is not None

    def identity(self) -> Identity:
        """Who the node is, and where its peers reach it.

        Raises:
            IpfsUnreachable: the node does not answer.
        """

        def ask(client: Any) -> Identity:
            answer = client.id()
            return Identity(str(answer["ID"]), tuple(map(str, answer["Addresses"] or ())), str(answer["AgentVersion"]))

        identity: Identity = self._call(ask)
        return identity

    def connect(self, multiaddr: str) -> None:
        """Make the node meet a peer at ``/ip4/…/tcp/…/p2p/…``.

        The RPC is called directly: ipfshttpclient's ``swarm.connect`` sends every character as an address of its own.

        Raises:
            IpfsUnreachable: the node, or the peer, does not answer.
        """
        deadline = time.monotonic() + self._timeout
        with _Exchange(self._address, "swarm/connect", {"arg": multiaddr}, deadline) as exchange:
            status, message = exchange.status, exchange.read(_ERROR_BYTES)
        if status != 200:
            raise IpfsUnreachable(
                f"the IPFS node at {self.address} cannot reach {multiaddr[:128]}: {_message(message)}"
            )

    def _call(self, use: Callable[[Any], Any], unless: str | None = None) -> Any:
        """An answer of ipfshttpclient, its exceptions as ours; None if the node's error says ``unless``."""
        failures = _library().exceptions
        try:
            return use(self._client())
        except failures.ErrorResponse as error:
            if unless is not None and unless in str(error):
                return None
            raise self._refusal(str(error)) from error
        except (KeyError, TypeError, AttributeError) as error:  # an answer without what the library looks for
            raise IpfsUnreachable(f"{self.address} does not answer as an IPFS node does") from error
        except failures.Error as error:
            raise IpfsUnreachable(f"no IPFS node answers at {self.address}: start one with bcfl devnet up") from error

    def _client(self) -> Any:
        client = _library().Client(self._address.multiaddr, timeout=self._timeout, chunk_size=_READ_BYTES)
        # A proxy of the environment is for the world, not for the user's own node; the library has no argument for it.
        client._client._request_proxies = {"no_proxy": self._address.host}
        return client

    def _cat(self, cid: str, max_bytes: int, seconds: float) -> bytes:
        """At most ``max_bytes + 1`` bytes.

        The RPC is called directly: ipfshttpclient bounds the wait for each read, not the transfer, and holds all of an
        answer.
        """
        options = {"arg": cid, "length": str(max_bytes + 1)}
        try:
            with _Exchange(self._address, "cat", options, time.monotonic() + seconds) as exchange:
                if exchange.status != 200:
                    raise self._refusal(_message(exchange.read(_ERROR_BYTES)), cid)
                return exchange.read(max_bytes + 1)
        except TimeoutError as error:
            raise ContentNotFound(f"{cid} was not found within {seconds:g} s") from error
        except (OSError, http.client.HTTPException) as error:
            self.identity()  # raises if it is the node that broke off
            raise InvalidContent("breaks off in the middle") from error

    def _refusal(self, message: str, cid: str = "") -> BcflError:
        said = message.lower()
        if "no space" in said or "enospc" in said:
            return DiskFull(f"the IPFS node at {self.address} has no space left")
        if not cid:
            return IpfsUnreachable(f"the IPFS node at {self.address} refused: {message[:200]!r}")
        if any(each in said for each in ("not found", "could not find", "deadline exceeded")):
            return ContentNotFound(f"{cid} was not found")
        return InvalidContent("not a file")


class _Exchange:
    """One call of the RPC API whose every wait ends at one deadline.

    Raises:
        IpfsUnreachable: no connection. TimeoutError, OSError, HTTPException: as of http.client, once connected.
    """

    def __init__(self, address: _Address, command: str, options: dict[str, str], deadline: float) -> None:
        kind = http.client.HTTPSConnection if address.scheme == "https" else http.client.HTTPConnection
        self._deadline = deadline
        self._connection = kind(address.host, address.port, timeout=self._left())
        try:
            self._connection.connect()
        except OSError as error:
            raise IpfsUnreachable(f"no IPFS node answers at {address.url}: start one with bcfl devnet up") from error
        try:
            self._connection.request("POST", f"/api/v0/{command}?{urllib.parse.urlencode(options)}")
            # Held on to, because http.client lets go of it when the answer is the connection's last.
            self._socket = self._connection.sock
            self._socket.settimeout(self._left())
            self._response = self._connection.getresponse()
            self.status = self._response.status
        except BaseException:
            self._connection.close()
            raise

    def __enter__(self) -> _Exchange:
        return self

    def __exit__(self, *_: object) -> None:
        self._response.close()
        self._connection.close()

    def read(self, most: int) -> bytes:
        """The answer's first ``most`` bytes, or all of it."""
        data = bytearray()
        while len(data) < most:
            self._socket.settimeout(self._left())
            part = self._response.read1(min(_READ_BYTES, most - len(data)))
            if not part:
                if self._response.length:  # http.client is silent about an announced length that does not come
                    raise http.client.IncompleteRead(bytes(data))
                break
            data += part
        return bytes(data)

    def _left(self) -> float:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return left


def _bounded(data: bytes, max_bytes: int) -> bytes:
    if len(data) > max_bytes:
        raise InvalidContent(f"larger than {max_bytes} bytes")
    return data


def _message(body: bytes) -> str:
    """What Kubo's JSON for a failure says; the raw text where it is none."""
    try:
        return str(json.loads(body)["Message"])
    except (ValueError, KeyError, TypeError):
        return body.decode(errors="replace").strip()[:200]


@functools.cache
def _library() -> ModuleType:
    """The package ipfshttpclient, without its patch of requests.

    The patch gives urllib3 an argument of which every connection warns. The import comes late, after the switch is set.
    """
    os.environ.setdefault("PY_IPFS_HTTP_CLIENT_PATCH_REQUESTS", "no")
    return importlib.import_module("ipfshttpclient")
