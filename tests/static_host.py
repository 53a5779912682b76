"""A plain static file server, as strict as hosts are: the site lies in a folder of it."""

import threading
from collections import Counter
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

STRICT = {
    "Content-Security-Policy": "default-src 'self'; img-src 'self' data: blob:; "
    "script-src 'self' 'wasm-unsafe-eval'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
}


class Handler(SimpleHTTPRequestHandler):
    """Knows files and nothing else; counts the bytes of each."""

    extensions_map = {".mjs": "application/octet-stream", ".gz": "application/gzip"} | {
        ".html": "text/html; charset=utf-8", ".css": "text/css", ".svg": "image/svg+xml",
        ".js": "text/javascript", ".json": "application/json", "": "application/octet-stream",
    }  # fmt: skip
    protocol_version = "HTTP/1.1"

    def end_headers(self):
        for name, value in (STRICT | self.server.more).items():
            self.send_header(name, value)
        super().end_headers()

    def do_GET(self):
        if self.server.down:
            self.close_connection = True  # as if there was nobody
            return
        super().do_GET()

    def copyfile(self, source, outputfile):
        self.server.sent[self.path] += source.seek(0, 2)
        source.seek(0)
        super().copyfile(source, outputfile)

    def log_message(self, *_):
        pass


class Host(ThreadingHTTPServer):
    """Serves a folder; `sent` counts bytes by path, `more` are further headers.

    Nobody gets an answer while it is `down`.
    """

    daemon_threads = True

    def __init__(self, folder):
        super().__init__(("127.0.0.1", 0), partial(Handler, directory=folder))
        self.sent = Counter()
        self.more = {}
        self.down = False

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, request, client_address):
        """Browsers leave when they like."""


@contextmanager
def hosted(folder):
    """Serve a folder on a free port."""
    with Host(folder) as host:
        thread = threading.Thread(target=host.serve_forever, daemon=True)
        thread.start()
        try:
            yield host
        finally:
            host.shutdown()
            thread.join()
