"""A server of files that nodes take `-i URL` inputs from, as release pages serve them."""

import http.server
import shutil
import threading
import urllib.parse
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class _Handler(http.server.BaseHTTPRequestHandler):
    """Answers HEAD, too: a node asks for the size first. `/releases/NAME` redirects to NAME under a UUID."""

    folder: Path
    tokens: dict[str, str]

    def do_GET(self) -> None:
        if file := self._answered():
            with file.open("rb") as content:
                shutil.copyfileobj(content, self.wfile)

    def do_HEAD(self) -> None:
        self._answered()

    def _answered(self) -> Path | None:
        """Send the head of the answer; gives the file that is to follow it."""
        where, _, name = urllib.parse.unquote(self.path.lstrip("/")).rpartition("/")
        if where == "releases":
            token = str(uuid.uuid5(uuid.NAMESPACE_URL, name))
            self.tokens[token] = name
            self.send_response(302)
            self.send_header("Location", f"/{token}")
            self.end_headers()
            return None
        file = self.folder / self.tokens.get(name, name)
        if where or not file.is_file():
            self.send_error(404)
            return None
        self.send_response(200)
        self.send_header("Content-Length", str(file.stat().st_size))
        self.end_headers()
        return file

    def log_message(self, *_: object) -> None:
        """Say nothing of requests."""


@contextmanager
def serve(folder: Path, address: str) -> Iterator[str]:
    """Serve the files of `folder` at `address`, which nodes must reach; gives the URL before their names."""
    handler = type("Handler", (_Handler,), {"folder": folder, "tokens": {}})
    with http.server.ThreadingHTTPServer((address, 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://{address}:{server.server_port}"
        server.shutdown()
