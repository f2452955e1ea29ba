"""A scripted server on loopback that speaks OpenAI's chat protocol, well or badly."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Turn:
    """What the server does once: a status with headers and a body, or something worse."""

    text: str = ""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    finish: str = "stop"
    raw: bytes | None = None
    cut: bool = False
    sleep: float = 0.0
    refuses: str = ""
    tokens: int = 120


Script = Sequence[Turn] | Callable[[dict[str, Any], int], Turn]


class Scripted:
    """The requests that came, and the answers to give."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self.requests: list[dict[str, Any]] = []
        self.keys: list[str] = []
        self.url = ""
        self.released = threading.Event()
        self._lock = threading.Lock()

    def turn(self, request: dict[str, Any], key: str) -> Turn:
        with self._lock:
            number = len(self.requests)
            self.requests.append(request)
            self.keys.append(key)
        if callable(self.script):
            return self.script(request, number)
        return self.script[min(number, len(self.script) - 1)]


@contextmanager
def serving(script: Script) -> Iterator[Scripted]:
    """A server for as long as the block takes."""
    told = Scripted(script)

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *args: object) -> None:
            """Be quiet."""

        def do_POST(self) -> None:
            length = int(self.headers["content-length"])
            request = json.loads(self.rfile.read(length))
            turn = told.turn(request, self.headers.get("authorization", ""))
            if turn.sleep:
                told.released.wait(turn.sleep)
            form = (request.get("response_format") or {}).get("type", "")
            if turn.refuses and form == turn.refuses:
                turn = Turn(status=400, raw=b'{"error": {"message": "no such response_format"}}')
            body = _body(request, turn) if turn.raw is None else turn.raw
            try:
                self.send_response(turn.status)
                for name, value in turn.headers.items():
                    self.send_header(name, value)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body[: len(body) // 2] if turn.cut else body)
            except OSError:
                """The client has gone."""
            if turn.cut:
                self.close_connection = True

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    told.url = f"http://127.0.0.1:{server.server_port}/v1"
    try:
        yield told
    finally:
        told.released.set()
        server.shutdown()
        server.server_close()
        thread.join()


def _body(request: dict[str, Any], turn: Turn) -> bytes:
    choice = {
        "index": 0, "finish_reason": turn.finish,
        "message": {"role": "assistant", "content": turn.text},
    }  # fmt: skip
    return json.dumps(
        {
            "id": "x",
            "object": "chat.completion",
            "created": 0,
            "model": request["model"],
            "choices": [choice],
            "usage": {"prompt_tokens": turn.tokens - 20, "completion_tokens": 20},
        }
    ).encode()


def proposal(formula: str, *settings: dict[str, int], **words: str) -> str:
    """An answer with one proposal, as the schema has it."""
    item = {
        "name": "n",
        "rationale": "r",
        "formula": formula,
        "param_sets": list(settings),
        **words,
    }
    return json.dumps({"diagnosis": "d", "proposals": [item]})
