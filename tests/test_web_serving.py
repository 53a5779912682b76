"""The real server: starting, answering, stopping while it is busy, starting again."""

import json
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path
from types import SimpleNamespace

import pytest
from children import PATIENCE_S
from conftest import spawn
from served_app import answer_on, connect
from web import decoded, fetch, form_of, picture_bytes, served, wait_until

from anime_pipeline.core.signals import ECHO_S

FACE = "/api/v1/generate?seed=7"


def stop(process, how=signal.SIGTERM):
    process.send_signal(how)
    stderr = process.stderr.read()
    return process.wait(PATIENCE_S), stderr


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_it_answers_and_stops_when_told(tmp_path, how):
    with served(tmp_path) as (process, url):
        status, headers, body = fetch(url + FACE)
        assert status == 200 and decoded(body).shape == (128, 128, 3)
        assert headers["Server"].startswith("anime-pipeline/")
        code, stderr = stop(process, how)
    assert code == 0 and "has been answered" in stderr and "Traceback" not in stderr


def test_a_c_library_without_the_settings_of_glibc_is_left_alone(monkeypatch):
    from anime_pipeline.web.serving import allocator

    asked = []
    libc = SimpleNamespace(mallopt=lambda *setting: asked.append(setting))
    monkeypatch.setattr(allocator.ctypes, "CDLL", lambda _: libc)
    allocator.give_memory_back()
    assert asked == [(-3, allocator.LARGE_BYTES), (-8, allocator.ARENAS)]
    del libc.mallopt
    allocator.give_memory_back()


def test_a_port_that_is_taken_is_said_at_once(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        done = spawn("-m", "anime_pipeline", "serve", cwd=tmp_path, PORT=str(port))
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert str(port) in done.stderr and "--port" in done.stderr, "$PORT is read, and named"


def test_weights_that_are_not_there(tmp_path):
    done = spawn("-m", "anime_pipeline", "serve", "--port", 0, "--checkpoint", "mine", cwd=tmp_path)
    assert done.returncode == 5 and "mine" in done.stderr and "Traceback" not in done.stderr


def test_strangers_names_are_refused_and_ones_own_are_not(tmp_path):
    with served(tmp_path) as (_, url):
        assert fetch(url + "/healthz", Host="evil.example")[0] == 400
        assert fetch(url + "/healthz", Host="localhost")[0] == 200


def test_a_body_beyond_all_limits_is_cut_off(tmp_path):
    with served(tmp_path) as (_, url):
        host, port = url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=PATIENCE_S) as connection:
            connection.sendall(
                b"POST /api/v1/upscale HTTP/1.1\r\nHost: localhost\r\n"
                b"Content-Type: multipart/form-data; boundary=x\r\n"
                b"Content-Length: 999999999999\r\n\r\n--x"
            )
            head, body = answer_on(connection)
            assert b" 413 " in head and b"up to 8 MB" in body
        assert fetch(url + "/healthz")[0] == 200


def test_on_all_addresses_it_tells_one_for_others(cli, monkeypatch):
    from anime_pipeline.core import network
    from anime_pipeline.web.serving import server as serving

    def serve(app, listening, most_waiting, stop_work, on_ready):
        with listening:
            on_ready()
        return stop_work(20)

    monkeypatch.setattr(serving, "serve", serve)
    monkeypatch.setattr(network, "own_address", lambda _: "192.0.2.7")
    said = cli("serve", "--host", "0.0.0.0", "--port", 0).stderr  # noqa: S104
    assert "From others: http://192.0.2.7:" in said and "Faces at http://127.0.0.1:" in said


def many(url, count, **headers):
    """Ask for `count` different faces at once; gives what each got."""
    results = []

    def ask(seed):
        try:
            status, _, body = fetch(
                f"{url}/api/v1/generate?seed={seed}", timeout=PATIENCE_S, **headers
            )
            results.append((status, decoded(body).shape if status == 200 else None))
        except (urllib.error.URLError, ConnectionError) as error:
            results.append((type(error).__name__, None))

    threads = [threading.Thread(target=ask, args=(seed,)) for seed in range(count)]
    for thread in threads:
        thread.start()
    return threads, results


def stopped_while_busy(folder, count):
    """Stop a server while some faces are drawn and some wait; gives code, stderr and results."""
    with served(folder) as (process, url):
        threads, results = many(url, count)
        idle = b"anime_pipeline_waiting_requests 0.0"
        wait_until(lambda: idle not in fetch(url + "/metrics")[2])
        code, stderr = stop(process)
        for thread in threads:
            thread.join(PATIENCE_S)
    assert len(results) == count, "somebody got half an answer"
    return code, stderr, results


def test_a_stop_finishes_what_was_accepted(tmp_path):
    code, stderr, results = stopped_while_busy(tmp_path, 24)
    assert code == 0 and "has been answered" in stderr
    answered = [result for result in results if result[0] == 200]
    assert answered and all(shape == (128, 128, 3) for _, shape in answered)
    # Whoever was not accepted was told so, or could not connect: nobody got half an answer.
    assert {status for status, _ in results} <= {200, 503, "URLError", "ConnectionResetError"}


def send_upload(url, content):
    """Send a picture beside the test; gives its thread and a list for the answer."""
    body, kind = form_of(content, ticket="stopping-1")
    request = urllib.request.Request(  # noqa: S310
        f"{url}/api/v1/upscale", body, {"Content-Type": kind}
    )
    answers = []

    def ask():
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:  # noqa: S310
                answers.append(answer.read())
        except OSError as error:  # URLError too
            answers.append(error)

    thread = threading.Thread(target=ask)
    thread.start()
    running = b'"running"'
    wait_until(lambda: running in fetch(f"{url}/api/v1/upscale/stopping-1")[2].replace(b" ", b""))
    return thread, answers


def test_an_upload_that_its_sender_leaves_is_given_up(tmp_path):
    with served(tmp_path) as (process, url):
        body, kind = form_of(picture_bytes(1900, 1900), ticket="leaving-1")  # a minute's work
        head = (
            f"POST /api/v1/upscale HTTP/1.1\r\nHost: localhost\r\nContent-Type: {kind}\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        state = f"{url}/api/v1/upscale/leaving-1"
        with connect(int(url.rsplit(":", 1)[1]), head.encode() + body):
            wait_until(lambda: b"running" in fetch(state)[2])
        wait_until(lambda: b"done" in fetch(state)[2].partition(b",")[0])
        code, stderr = stop(process)
    assert code == 0 and "Traceback" not in stderr


def refuses_connections(url):
    try:
        fetch(url + "/healthz", timeout=20)
    except OSError:
        return True
    return False


def test_a_stop_finishes_an_upload_that_has_begun(tmp_path):
    with served(tmp_path) as (process, url):
        thread, answers = send_upload(url, picture_bytes(80, 60))
        code, stderr = stop(process)
        thread.join(PATIENCE_S)
    assert code == 0 and "has been answered" in stderr
    assert decoded(answers[0]).shape == (240, 320, 3)


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_a_second_signal_stops_at_once(tmp_path, how):
    with served(tmp_path) as (process, url):
        thread, answers = send_upload(url, picture_bytes(1900, 1900))  # a minute's work
        process.send_signal(how)
        wait_until(lambda: refuses_connections(url))
        assert process.poll() is None, "it still works on what it has accepted"
        time.sleep(2 * ECHO_S)  # sooner it would be an echo of the first
        code, stderr = stop(process, how)
        thread.join(PATIENCE_S)
    assert code == 128 + how and "Traceback" not in stderr
    assert isinstance(answers[0], OSError), "it did not wait for the end of the work"


def test_what_is_no_request_leaves_one_line_at_most(tmp_path):
    with served(tmp_path) as (process, url):
        host, port = url.removeprefix("http://").split(":")
        for content in (
            b"GET http://[ HTTP/1.1\r\n\r\n",
            b"\x16\x03\x01\r\n\r\n",
            b"nonsense\r\n\r\n",
        ):
            with socket.create_connection((host, int(port)), timeout=PATIENCE_S) as connection:
                connection.sendall(content)
                assert b" 400 " in connection.recv(100)
        code, stderr = stop(process)
    assert code == 0 and stderr.count("\n") <= 4 and "|" not in stderr, stderr


@pytest.mark.slow
def test_restarts_under_load_break_no_promise(tmp_path):
    """Ten stops while requests pour in: answers are whole, refused or no connection at all."""
    for _ in range(10):
        code, _, results = stopped_while_busy(tmp_path, 60)
        statuses = [status for status, _ in results]
        assert code == 0 and statuses.count(200) > 0
        assert set(statuses) <= {200, 503, "URLError", "ConnectionResetError"}, set(statuses)


@pytest.mark.slow
def test_ten_times_too_much_is_answered_with_faces_or_503(tmp_path):
    """Every request of a minute's overload is answered, and memory does not grow."""
    program = Path(__file__).parents[1] / "benchmarks/serving.py"
    out = tmp_path / "serving.json"
    subprocess.run([sys.executable, program, "--seconds", "60", "--out", out], check=True)
    overload = json.loads(out.read_text())["overload"]
    assert set(overload["statuses"]) == {"200", "503"}
    assert sum(overload["statuses"].values()) >= 0.99 * overload["rate"] * overload["seconds"]
    assert overload["memory_drift"] < 0.05
