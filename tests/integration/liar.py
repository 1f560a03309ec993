"""A node that lies: a proxy before a real chain or IPFS node, which alters some of its answers."""

from __future__ import annotations

import json
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Alter = Callable[[str, bytes, bytes], bytes]
"""From path, request and honest answer to the answer that is given."""


class Liar:
    """A running proxy at ``url``; honest until ``alter`` is set."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.alter: Alter = lambda _path, _request, answer: answer


def _handler(target: str, lies: Callable[[], Alter]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # headers and body in one packet: two would wait 40 ms for an acknowledgement

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            asked = urllib.request.Request(target + self.path, data=body, method="POST")
            if self.headers.get("Content-Type"):
                asked.add_header("Content-Type", str(self.headers["Content-Type"]))
            try:
                with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(asked, timeout=30) as answer:
                    status, content = answer.status, answer.read()
            except urllib.error.HTTPError as error:
                with error:
                    status, content = error.code, error.read()
            content = lies()(self.path, body, content)
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    return Handler


@contextmanager
def lying(target: str) -> Iterator[Liar]:
    """A proxy before the node at ``target``, on loopback."""
    holder: list[Liar] = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(target, lambda: holder[0].alter))
    server.daemon_threads = True
    holder.append(Liar(server.server_address[1]))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield holder[0]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def altered_result(method: str, change: Callable[[Any], Any]) -> Alter:
    """Alters the results of one JSON-RPC method."""

    def alter(_path: str, request: bytes, answer: bytes) -> bytes:
        if json.loads(request)["method"] != method:
            return answer
        content = json.loads(answer)
        content["result"] = change(content["result"])
        return json.dumps(content).encode()

    return alter
