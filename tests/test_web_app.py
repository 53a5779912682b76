"""What every request passes through: hosts, headers, limits, checks; and settings and models."""

import json
import re
import shutil

import pytest
from web import picture_bytes, upload

from anime_pipeline.core.errors import CheckpointError, UsageError
from anime_pipeline.models.zoo import find_weights
from anime_pipeline.web.errors import Problem
from anime_pipeline.web.models.catalogue import Catalogue
from anime_pipeline.web.models.tickets import KEPT_TICKETS, Tickets
from anime_pipeline.web.services import EXTENSION
from anime_pipeline.web.serving import static_files
from anime_pipeline.web.serving.clients import client_of
from anime_pipeline.web.serving.settings import Settings

PAGES = (
    "/", "/studio?seed=7&hair=pink", "/favourites", "/blend", "/upscale", "/training", "/how",
    "/api",
)  # fmt: skip


@pytest.mark.parametrize("path", [*PAGES, "/nothing", "/api/v1/models", "/healthz"])
def test_every_answer_has_the_security_headers(client, path):
    headers = client.get(path).headers
    policy = headers["Content-Security-Policy"]
    assert "unsafe" not in policy and "frame-ancestors 'none'" in policy
    assert "script-src 'self'" in policy and "http" not in policy
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-Frame-Options"] == "DENY"


@pytest.mark.parametrize("path", [*PAGES, "/nothing"])
def test_pages_obey_their_own_policy_and_need_nobody_else(client, path):
    """No inline code or style, and nothing is fetched from another host."""
    answer = client.get(path)
    page = answer.get_data(as_text=True)
    assert answer.status_code == (404 if path == "/nothing" else 200)
    assert not re.search(r"<script(?![^>]*\bsrc=)[^>]*>", page)
    assert not re.search(r"<style|\sstyle=|\son\w+=", page)
    fetched = re.findall(r"<(?:script|link|img|iframe|source)\b[^>]*(?:src|href)=\"([^\"]*)", page)
    assert fetched and all(url.startswith("/") and not url.startswith("//") for url in fetched)
    assert "<html lang=" in page and "<main" in page and "<title>" in page


def test_browsers_keep_scripts_and_styles_until_they_change(client, tmp_path, monkeypatch):
    """Their address holds a hash of them all, so that it may be kept for ever."""
    address = re.search(r'href="(/static/[0-9a-f]{12}/base\.css)"', client.get("/").text)[1]
    with client.get(address) as answer:
        assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    missing = client.get(address + "x")
    assert missing.status_code == 404 and "immutable" not in missing.headers["Cache-Control"]

    shutil.copytree(static_files.STATIC, tmp_path / "static")
    monkeypatch.setattr(static_files, "STATIC", tmp_path / "static")
    assert address.startswith(static_files.static_path() + "/")
    (tmp_path / "static/base.css").write_text("body {}")
    assert not address.startswith(static_files.static_path())


def test_scripts_and_styles_fetch_nothing_from_elsewhere(app):
    from pathlib import Path

    for path in Path(app.static_folder).iterdir():
        text = path.read_text(encoding="utf-8").replace("http://www.w3.org/", "")
        assert not re.search(r"https?://|@import|eval\(|innerHTML", text), path


@pytest.mark.parametrize(
    "path",
    ["/studio?seed=x", "/studio?model=nope", "/?hair=nocolour", "/training/dcgan/none", "/nothing"],
)
def test_what_is_not_there_is_a_page_that_says_so(client, path):
    answer = client.get(path)
    assert answer.status_code == 404 and answer.mimetype == "text/html"


def test_what_a_client_sends_never_becomes_markup(client):
    for path in ("/blend?a=<script>alert(1)</script>", "/nothing/<b>x</b>", '/?start="><i>'):
        page = client.get(path).get_data(as_text=True)
        assert "<script>alert" not in page and "<b>x" not in page and '"><i>' not in page


def test_only_trusted_names_are_answered(made):
    client = made(trusted_hosts=("faces.example",)).test_client()
    assert client.get("/healthz", headers={"Host": "faces.example"}).status_code == 200
    assert client.get("/healthz", headers={"Host": "localhost:8000"}).status_code == 200
    for stranger in ("evil.example", "faces.example.evil.example", ""):
        for path in ("/healthz", "/"):
            refused = client.get(path, headers={"Host": stranger})
            assert refused.status_code == 400
            assert "ANIME_PIPELINE_SERVE_TRUSTED_HOSTS" in refused.text
            assert "faces.example'" not in refused.text, "its own names are not given away"


def test_other_sites_cannot_make_this_one_work(client):
    cross = {"Sec-Fetch-Site": "cross-site"}
    answer = client.post("/api/v1/generate", json={}, headers=cross)
    assert answer.status_code == 403 and answer.content_type == "application/problem+json"
    assert client.get("/", headers=cross).status_code == 200, "links to it are welcome"


def test_clients_on_other_machines_have_limits_and_this_one_has_none(made):
    client = made(rate_limit=5, upload_rate_limit=1).test_client()
    far = {"REMOTE_ADDR": "203.0.113.9"}
    path = "/api/v1/generate?size=32"
    assert [client.get(path, environ_base=far).status_code for _ in range(5)] == [200] * 5
    refused = client.get(path, environ_base=far)
    assert refused.status_code == 429 and 1 <= int(refused.headers["Retry-After"]) <= 60
    assert client.get(path, environ_base={"REMOTE_ADDR": "203.0.113.10"}).status_code == 200
    assert {client.get(path).status_code for _ in range(8)} == {200}
    assert upload(client, picture_bytes()).status_code == 200
    assert upload(client, picture_bytes()).status_code == 200


def test_forwarded_addresses_are_believed_only_from_known_proxies(made):
    path, forged = "/api/v1/generate?size=32&count=2", {"X-Forwarded-For": "203.0.113.9"}
    proxied = made(rate_limit=2, proxies=1).test_client()
    assert proxied.get(path, headers=forged).status_code == 200
    assert proxied.get(path, headers=forged).status_code == 429
    direct = made(rate_limit=2).test_client()
    assert {direct.get(path, headers=forged).status_code for _ in range(4)} == {200}


@pytest.mark.parametrize(
    "address,client",
    [
        ("127.0.0.1", None),
        ("127.9.9.9", None),
        ("::1", None),
        ("::ffff:127.0.0.1", None),
        ("203.0.113.9", "203.0.113.9"),
        ("::ffff:203.0.113.9", "203.0.113.9"),
        ("2001:db8:1:2:3::4", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::", "2001:db8:1:2::/64"),
        ("", "unknown"),
        (None, "unknown"),
        ("unix:", "unix:"),
    ],
)
def test_who_counts_as_one_client(address, client):
    assert client_of(address) == client


def test_settings_come_from_the_environment(tmp_path):
    read = Settings.from_environment(
        {
            "ANIME_PIPELINE_SERVE_QUEUE": "7",
            "ANIME_PIPELINE_SERVE_TRUSTED_HOSTS": "a.example, b.example",
            "ANIME_PIPELINE_SERVE_CHECKPOINTS": str(tmp_path),
            "ANIME_PIPELINE_SERVE_UPSCALE_TIMEOUT_S": "9.5",
            "ANIME_PIPELINE_SERVE_PORT": "1",
        }
    )
    assert read == Settings(
        queue=7,
        trusted_hosts=("a.example", "b.example"),
        checkpoints=tmp_path,
        upscale_timeout_s=9.5,
    )
    wrong = {"QUEUE": "0", "PROXIES": "99", "FACE_TIMEOUT_S": "nan", "RATE_LIMIT": "many"}
    for name, value in wrong.items():
        with pytest.raises(UsageError, match=f"(?i){name}"):
            Settings.from_environment({f"ANIME_PIPELINE_SERVE_{name}": value})


def test_runs_at_hand_can_be_drawn_with(made, tmp_path):
    run = tmp_path / "checkpoints" / "dcgan" / "1-cpu"
    run.mkdir(parents=True)
    shutil.copy(find_weights("dcgan", "dcgan-generator"), run / "generator.npz")
    (run / "config.json").write_text(json.dumps({"config": {"steps": 1}, "preset": "cpu"}))
    broken = tmp_path / "checkpoints" / "dcgan" / "2-cpu"
    shutil.copytree(run, broken)
    (broken / "generator.npz").write_bytes(b"nonsense")
    client = made().test_client()
    models = {model["name"]: model for model in client.get("/api/v1/models").get_json()["models"]}
    assert list(models) == ["dcgan", "dcgan/1-cpu", "dcgan/2-cpu"]
    assert models["dcgan/1-cpu"]["weights"] == models["dcgan"]["weights"]
    assert "damaged" in models["dcgan/2-cpu"]["error"]
    assert str(tmp_path) not in models["dcgan/2-cpu"]["error"], "paths are nobody's business"
    own = client.get("/api/v1/generate?model=dcgan/1-cpu&seed=4&size=32").data
    shipped = client.get("/api/v1/generate?seed=4&size=32").data
    assert own == shipped
    broken = client.get("/api/v1/generate?model=dcgan/2-cpu")
    assert broken.status_code == 409 and "Retry-After" not in broken.headers
    assert "damaged" in broken.get_json()["detail"] and str(tmp_path) not in broken.text
    assert client.get("/studio?model=dcgan/1-cpu").status_code == 200


def test_a_file_of_ones_own_is_served_without_its_path(tmp_path):
    path = tmp_path / "mine.npz"
    shutil.copy(find_weights("dcgan", "dcgan-generator"), path)
    found = Catalogue(str(path), "", tmp_path)
    assert found.default == "mine.npz" and list(found.names()) == ["mine.npz", "dcgan"]
    assert found.generator("mine.npz") is found.generator()
    with pytest.raises(Problem, match="No model called"):
        found.generator(str(path))
    with pytest.raises(CheckpointError):
        Catalogue("no-such-weights", "", tmp_path)


@pytest.mark.parametrize("end", ["", "/generator.npz", "/../1-cpu"])
def test_a_run_that_is_the_default_is_listed_once(tmp_path, end):
    run = tmp_path / "dcgan" / "1-cpu"
    run.mkdir(parents=True)
    shutil.copy(find_weights("dcgan", "dcgan-generator"), run / "generator.npz")
    (run / "config.json").write_text(json.dumps({"config": {"steps": 1}, "preset": "cpu"}))
    found = Catalogue(f"{run}{end}", "", tmp_path)
    assert found.default == "dcgan/1-cpu" and list(found.names()) == ["dcgan/1-cpu", "dcgan"]
    assert found.generator() is found.generator("dcgan/1-cpu")


def test_a_single_upscaler_has_no_realism(tmp_path):
    path = tmp_path / "mine.npz"
    shutil.copy(find_weights("fidelity", "srgan-generator"), path)
    found = Catalogue("dcgan", str(path), tmp_path)
    assert not found.has_realism()
    assert found.upscaler(0.0) is found.upscaler(1.0)
    both = Catalogue("dcgan", "", tmp_path)
    assert both.has_realism() and both.upscaler(0.52) is both.upscaler(0.5)
    assert both.weights_hash() != found.weights_hash()


def test_checks_and_measurements(made):
    app = made()
    client = app.test_client()
    assert client.get("/healthz").data == b"ok\n" and client.get("/readyz").data == b"ready\n"
    client.get("/api/v1/generate?count=3&size=32")
    client.get("/api/v1/generate?seed=-1")
    text = client.get("/metrics").get_data(as_text=True)
    asked = 'anime_pipeline_requests_total{endpoint="api.generate_by_query",method="GET"'
    for line in (
        f'{asked},status="200"}} 1.0',
        f'{asked},status="422"}} 1.0',
        "anime_pipeline_batch_pictures_sum 3.0",
        "anime_pipeline_waiting_requests 0.0",
    ):
        assert line in text
    assert app.extensions[EXTENSION].worker.stop(20)
    assert client.get("/readyz").status_code == 503 and client.get("/healthz").status_code == 200
    stopped = client.get("/api/v1/generate")
    assert stopped.status_code == 503 and int(stopped.headers["Retry-After"]) >= 1


def test_a_defect_of_ours_is_logged_and_says_nothing_of_itself(app, client, monkeypatch, caplog):
    worker = app.extensions[EXTENSION].worker
    monkeypatch.setattr(worker, "_compute", lambda _: 1 / 0)
    answer = client.get("/api/v1/generate?seed=77")
    assert answer.status_code == 500 and "ZeroDivision" not in answer.get_data(as_text=True)
    assert "ZeroDivisionError" in caplog.text


def test_tickets_are_few_and_one_upload_each():
    tickets = Tickets()
    first = tickets.open("first-one")
    with pytest.raises(Problem, match="in use"):
        tickets.open("first-one")
    first.state = "done"
    assert tickets.open("first-one") is not first
    for index in range(KEPT_TICKETS):
        tickets.open(f"ticket-{index}")
    with pytest.raises(Problem, match="No upload"):
        tickets.get("first-one")
    assert tickets.open(None) is not None
