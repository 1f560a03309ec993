"""How a node is reached, and how its address may be shown."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

from web3.providers import HTTPProvider, IPCProvider, LegacyWebSocketProvider
from web3.providers.base import BaseProvider

from bcfl import errors


def provider_of(url: str, timeout: float) -> BaseProvider:
    """The provider for an RPC address.

    Raises:
        ConfigurationError: it is none.
        ChainUnreachable: it names a socket that is not there.
    """
    scheme = urlsplit(url).scheme
    if scheme in ("http", "https"):
        return HTTPProvider(url, request_kwargs={"timeout": timeout})
    if scheme in ("ws", "wss"):
        return LegacyWebSocketProvider(url, websocket_timeout=int(timeout))
    if scheme in ("", "file"):
        socket = Path(urlsplit(url).path)
        if not socket.is_socket():
            raise errors.ChainUnreachable(f"no chain answers at {socket}: there is no such socket")
        return IPCProvider(socket, timeout=int(timeout))
    raise errors.ConfigurationError(f"not an RPC address (http, ws or a path to a socket): {shown(url)}")


def shown(url: str) -> str:
    """A URL without what may be secret in it: user, password, path and query (providers put API keys there)."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.hostname}{f':{parts.port}' if parts.port else ''}" if parts.hostname else url
