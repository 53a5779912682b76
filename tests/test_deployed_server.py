"""The Procfile's command at work, with the image's packages alone."""

import contextlib
import importlib.metadata
import os
import socket
import subprocess
import sys
import urllib.error
import urllib.request
import zlib

from children import PATIENCE_S, wait_for
from deployment import health_check, procfile_command, served

HOST = "faces.example.org"

# Run in front of the program: other packages cannot be imported, and files that are opened for
# writing are told.
WATCHED = """
import os, sys
for name in sys.argv.pop(1).split(","):
    sys.modules[name] = None
def watch(event, given):
    if event != "open" or isinstance(given[0], int):  # a number: a pipe to a process beside this
        return
    if given[2] & (os.O_WRONLY | os.O_RDWR) and given[0] != os.devnull:
        os.write(2, f"WROTE {given[0]}\\n".encode())
sys.addaudithook(watch)
from anime_pipeline.cli.main import run
sys.argv[0] = "anime-pipeline"
run()
"""


def free_port():
    """Return a free port that nobody is given who asks for any, as other tests beside this do."""
    first = 20_000 + os.getpid() % 10_000
    for port in range(first, first + 100):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise AssertionError("no port is free")


def large_upload():
    """Return a form with a picture of few pixels and more bytes than buffers keep in memory."""

    def chunk(kind, content):
        return b"".join(
            [len(content).to_bytes(4), kind, content, zlib.crc32(kind + content).to_bytes(4)]
        )

    header = b"".join([(32).to_bytes(4), (32).to_bytes(4), bytes([8, 2, 0, 0, 0])])
    picture = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header)
    picture += chunk(b"prVt", os.urandom(2_000_000))  # private, so it says nothing to a decoder
    picture += chunk(b"IDAT", zlib.compress((b"\0" + b"\x80\x60\x70" * 32) * 32))
    picture += chunk(b"IEND", b"")
    head = b'--cut\r\nContent-Disposition: form-data; name="image"; filename="a.png"\r\n\r\n'
    return head + picture + b"\r\n--cut--\r\n"


class Server:
    """The Procfile's command, where only the image's packages can be imported.

    Its home is an empty folder.
    """

    def __init__(self, folder):
        self.port = free_port()
        self.address = f"http://127.0.0.1:{self.port}"
        installed = importlib.metadata.packages_distributions()
        names = {one.metadata["Name"] for one in served().values()} | {"anime-pipeline"}
        blocked = [module for module, owners in installed.items() if not names & set(owners)]
        program, *arguments = procfile_command()
        # As behind a proxy: the health check must pass all the same. Libraries that write or send
        # something by themselves behave on test machines; this one must not look like one.
        self.environment = {
            name: value
            for name, value in os.environ.items()
            if name != "CI" and not name.startswith(("PYTEST", "XDG", "ANIME_PIPELINE"))
        } | {
            "ANIME_PIPELINE_SERVE_TRUSTED_HOSTS": HOST,
            "ANIME_PIPELINE_SERVE_PROXIES": "1",
            "PORT": str(self.port),
            "HOME": str(folder),
        }
        self.process = subprocess.Popen(
            [sys.executable, "-B", "-c", WATCHED, ",".join(blocked), *arguments],
            cwd=folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def healthy(self, check):
        return subprocess.run(
            [sys.executable, *check[1:]], env=self.environment, capture_output=True
        )

    def ask(self, path, data=None, **headers):
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        request = urllib.request.Request(self.address + path, data, names)  # noqa: S310
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=PATIENCE_S) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read()

    def stop(self):
        """End it as a container's end does; tells its exit code and what it has said."""
        self.process.terminate()
        try:
            said, _ = self.process.communicate(timeout=PATIENCE_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            said, _ = self.process.communicate()
        return self.process.returncode, said


PAGES = ("/", "/studio", "/favourites", "/blend", "/upscale", "/training", "/how", "/api")
ANSWERS = (
    "/api/v1/models",
    "/api/v1/runs",
    "/api/v1/openapi.json",
    "/api/v1/generate?seed=1&hair=pink&realism=0.5",
    "/api/v1/generate?seed=1&count=4&size=32",
    "/api/v1/interpolate?seeds=1,2&frames=3&size=32",
    "/metrics",
    "/healthz",
)


def test_it_serves_with_the_images_packages_alone_and_writes_nothing(tmp_path):
    server = Server(tmp_path)
    _, check = health_check()
    try:
        ready = wait_for(server.process, lambda: server.healthy(check).returncode == 0)
        assert ready, server.process.communicate()[0]
        codes = {path: server.ask(path)[0] for path in PAGES + ANSWERS}
        assert set(codes.values()) == {200}, codes
        kind = "multipart/form-data; boundary=cut"
        status, picture = server.ask("/api/v1/upscale", large_upload(), Content_Type=kind)
        assert (status, picture[:4]) == (200, b"\x89PNG")
        assert server.ask("/", Host=HOST)[0] == 200
        assert server.ask("/", Host="elsewhere.example.org")[0] == 400
    finally:
        code, said = server.stop()
    assert code == 0, said
    assert "WROTE" not in said
    assert not any(tmp_path.iterdir())
    assert server.healthy(check).returncode != 0
