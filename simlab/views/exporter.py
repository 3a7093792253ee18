"""A paced exporter: histories of a run served at /metrics as if they happened now, one recorded instant after the other."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import final

from simlab.base.errors import InputError
from simlab.results.openmetrics import History, instant, older
from simlab.results.record import Record

OPEN = "application/openmetrics-text; version=1.0.0; charset=utf-8"
PLAIN = "text/plain; version=0.0.4; charset=utf-8"


@final
class _Server(ThreadingHTTPServer):
    """What is served, and whether anybody has asked."""

    daemon_threads = True

    def __init__(self, host: str, port: int) -> None:
        self.text = ""
        self.shown, self.scraped = threading.Event(), threading.Event()
        super().__init__((host, port), _Handler)


@final
class _Handler(BaseHTTPRequestHandler):
    """Answers GET /metrics, and nothing else."""

    protocol_version = "HTTP/1.1"
    server_version, sys_version = "simlab", ""

    def do_GET(self) -> None:
        """The text that is due, in the format that was asked for."""
        server = self.server
        if self.path.partition("?")[0] != "/metrics" or not isinstance(server, _Server):
            self.send_error(404, "see /metrics")
            return
        server.shown.wait()  # who asks at once is told of the first instant, and not of nothing
        wants = "application/openmetrics-text" in self.headers.get("Accept", "")
        body = (server.text if wants else older(server.text)).encode()
        server.scraped.set()
        self.send_response(200)
        self.send_header("Content-Type", OPEN if wants else PLAIN)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # its name in the standard library
        """Scrapes are not worth a line each."""


@final
class Exporter:
    """An HTTP server for as long as it is open; `show` says what is served next. Port 0 is any that is free.

    with Exporter("127.0.0.1", 9464) as exporter:
        exporter.show(text)
    """

    def __init__(self, host: str, port: int) -> None:
        try:
            self._server = _Server(host, port)
        except (OSError, OverflowError) as error:
            raise InputError(f"--listen {host}:{port}: cannot be listened on ({error})") from None
        self.scraped = self._server.scraped
        self.port = int(self._server.server_address[1])

    def __enter__(self) -> Exporter:
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True).start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def show(self, text: str) -> None:
        """Serve this from now on."""
        self._server.text = text
        self._server.shown.set()


def replay(
    record: Record,
    told: Sequence[History],
    exporter: Exporter,
    every: float,
    say: Callable[[int, float], None],
    only: Collection[str] | None = None,
) -> None:
    """Serve histories instant by instant, each for `every` seconds, the first until somebody has asked; `say` is told of each."""
    times = told[0].outcome.times
    exporter.show(instant(record, told, 0, only))
    say(0, float(times[0]))
    exporter.scraped.wait()
    due = time.monotonic()
    for at in range(1, len(times)):
        text = instant(record, told, at, only)
        due += every
        time.sleep(max(0.0, due - time.monotonic()))
        exporter.show(text)
        say(at, float(times[at]))
    time.sleep(every)
