"""What is refused before it costs anything: a full queue, other sites, a dead models' thread."""

import threading
import time

import numpy as np
import pytest
from children import PATIENCE_S
from test_web_api import API, refused
from test_web_worker import in_thread
from web import wait_until
from werkzeug.test import create_environ, run_wsgi_app

from anime_pipeline.web.app import API as ENDPOINTS
from anime_pipeline.web.app import create_app, shedding_of
from anime_pipeline.web.models.jobs import LongJob
from anime_pipeline.web.models.worker import LONG_JOBS, Worker
from anime_pipeline.web.services import EXTENSION
from anime_pipeline.web.serving.clients import Budget
from anime_pipeline.web.serving.measurements import Measurements
from anime_pipeline.web.serving.settings import Settings
from anime_pipeline.web.serving.shedding import Shedding

COSTLY = {(one.method, f"{API}{one.path}"): one.label for one in ENDPOINTS if one.queue}


class Gate:
    """Computes grey pictures once it is open."""

    def __init__(self):
        self.open = threading.Event()

    def __call__(self, jobs):
        assert self.open.wait(PATIENCE_S)
        return [np.full((32, 32, 3), 127, np.uint8) for _ in jobs]


@pytest.fixture
def full(tmp_path):
    """An app with a queue of two places that are both taken; it ends with the gate open."""
    settings = Settings(checkpoints=tmp_path / "checkpoints", queue=2, face_timeout_s=PATIENCE_S)
    made = create_app(settings)
    worker, gate = made.extensions[EXTENSION].worker, Gate()
    worker._compute = gate
    threads = [
        in_thread(lambda: made.test_client().get(f"{API}/generate?size=32"))[0] for _ in range(2)
    ]
    wait_until(lambda: worker.waiting == 2)
    yield made
    gate.open.set()
    for thread in threads:
        thread.join(PATIENCE_S)
    assert worker.stop(PATIENCE_S)


@pytest.mark.parametrize("method,path", COSTLY)
def test_a_full_server_refuses_before_it_reads_anything(method, path):
    gate = Gate()
    worker = Worker(gate, most_waiting=1)
    measurements = Measurements(lambda: worker.waiting)
    reached = []

    def app(environ, start_response):
        reached.append(environ["PATH_INFO"])
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [b"reached"]

    def ask(path, method="GET", **environ):
        asked = create_environ(path, method=method, environ_overrides=environ)
        asked["wsgi.input"] = None  # which cannot be read
        content, status, headers = run_wsgi_app(shedding, asked)
        return b"".join(content), status, headers

    shedding = shedding_of(app, worker, measurements, ENDPOINTS)
    assert ask(path, method)[1] == "200 OK", "there is room"

    class Job:
        cost = 1

    work = [lambda: worker.run([Job()], PATIENCE_S)]
    if path.endswith("/upscale"):
        work = [lambda: worker.run_long(LongJob(lambda _: gate(())), PATIENCE_S)] * LONG_JOBS
    waiting = [in_thread(one)[0] for one in work]
    wait_until(lambda: worker.waiting == len(work))
    reached.clear()
    content, status, headers = ask(path, method)
    assert status == "503 SERVICE UNAVAILABLE" and int(headers["Retry-After"]) >= 1
    assert headers["Content-Type"] == "application/problem+json" and b"Try again" in content
    assert headers["X-Content-Type-Options"] == "nosniff" and not reached
    count = measurements.requests.labels(COSTLY[method, path], method, "503")
    assert count._value.get() == 1
    for other in ("/", "/healthz", f"{API}/models", f"{path}/more"):
        assert ask(other)[1] == "200 OK", "what needs no models is answered"
    known = ask(path, method, HTTP_IF_NONE_MATCH='"x"')[1]
    assert known.startswith("200" if method == "GET" else "503"), "who has it already costs nothing"
    gate.open.set()
    for thread in waiting:
        thread.join(PATIENCE_S)
    assert ask(path, method)[1] == "200 OK"
    assert worker.stop(PATIENCE_S)


def test_bodies_are_read_only_where_there_is_room_for_them():
    begun, go_on = threading.Event(), threading.Event()

    def app(environ, start_response):
        if environ["PATH_INFO"] == "/held":
            begun.set()
            assert go_on.wait(PATIENCE_S)
        if environ["PATH_INFO"] == "/defect":
            raise RuntimeError
        start_response("200 OK", [])
        return [b"reached"]

    def ask(path, size):
        asked = create_environ(path, method="POST")
        asked |= {"CONTENT_LENGTH": str(size), "REMOTE_ADDR": "127.0.0.1"}
        asked["wsgi.input"] = None  # which cannot be read
        content, status, headers = run_wsgi_app(shedding, asked, buffered=True)  # and closed
        return b"".join(content), status, headers

    shedding = Shedding(app, 1_000_000, {})
    shedding.bodies = Budget(1_000_000)
    held, _ = in_thread(lambda: ask("/held", 900_000))
    assert begun.wait(PATIENCE_S)
    content, status, headers = ask("/", 200_000)
    assert status.startswith("503") and headers["Retry-After"] == "5" and b"Try again" in content
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert ask("/", 1_000)[0] == b"reached", "questions are answered"
    assert ask("/", 10**9)[1].startswith("413"), "what is too large is not read either"
    go_on.set()
    held.join(PATIENCE_S)
    with pytest.raises(RuntimeError):
        ask("/defect", 900_000)
    assert ask("/", 900_000)[0] == b"reached" and shedding.bodies.held == 0


def test_a_full_app_refuses_faces_and_answers_the_rest(full):
    client = full.test_client()
    refused(client.get(f"{API}/generate?seed=5&size=32"), 503, "2 requests are waiting")
    refused(client.post(f"{API}/generate", data=b"no JSON at all"), 503)
    for path in ("/", "/healthz", "/readyz", "/metrics", f"{API}/models", "/studio"):
        assert client.get(path).status_code == 200


def test_what_a_full_queue_refuses_is_not_counted_as_drawn(full):
    limits = full.extensions[EXTENSION].limits
    client = full.test_client()
    known = {"If-None-Match": '"other"'}  # so that it passes the first check
    client.environ_base["REMOTE_ADDR"] = "203.0.113.9"
    limits.count = lambda *_: pytest.fail("it was counted")
    refused(client.get(f"{API}/generate?size=32", headers=known), 503)


CROSS = {"Sec-Fetch-Site": "cross-site"}


@pytest.mark.parametrize("path", ["generate?size=32", "interpolate?seeds=1,2&frames=1&size=32"])
def test_other_sites_cannot_embed_what_costs_time(client, path):
    for mode in ("no-cors", "cors", "same-origin"):
        answer = client.get(f"{API}/{path}", headers=CROSS | {"Sec-Fetch-Mode": mode})
        refused(answer, 403, "another website")
    by_origin = client.get(f"{API}/{path}", headers={"Origin": "https://evil.example"})
    refused(by_origin, 403)
    navigated = CROSS | {"Sec-Fetch-Mode": "navigate"}
    assert client.get(f"{API}/{path}", headers=navigated).status_code == 200, "links are welcome"
    own = {"Origin": "http://localhost", "Sec-Fetch-Site": "same-origin"}
    assert client.get(f"{API}/{path}", headers=own).status_code == 200


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_dead_models_thread_makes_the_process_unhealthy(tmp_path):
    made = create_app(Settings(checkpoints=tmp_path / "checkpoints", face_timeout_s=PATIENCE_S))
    worker, client = made.extensions[EXTENSION].worker, made.test_client()
    assert client.get("/healthz").status_code == client.get("/readyz").status_code == 200

    def die(*_):
        raise RuntimeError("a defect")

    worker.on_batch = die
    begun = time.perf_counter()
    refused(client.get(f"{API}/generate?size=32"), 503)
    wait_until(lambda: not worker._thread.is_alive())
    answer = client.get("/healthz")
    assert answer.status_code == 503 and b"thread" in answer.data
    assert client.get("/readyz").status_code == 503
    refused(client.get(f"{API}/generate?seed=2&size=32"), 503)
    assert time.perf_counter() - begun < PATIENCE_S, "nobody waits for it"
