"""The files of deploy/: valid for whom they are written, and what they name is there."""

import dataclasses
import json
import re
import subprocess
import sys

import pytest
import yaml
from deployment import ROOT, last_stage

from anime_pipeline.web.serving.measurements import Measurements
from anime_pipeline.web.serving.server import FLUSH_S, STOP_WITHIN_S
from anime_pipeline.web.serving.settings import PREFIX, Settings

DEPLOY = ROOT / "deploy"
COMPOSE = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))
MANIFESTS = sorted((DEPLOY / "kubernetes").glob("*.yaml"))
OBJECTS = [
    each for path in MANIFESTS for each in yaml.safe_load_all(path.read_text(encoding="utf-8"))
]
VARIABLES = {PREFIX + field.name.upper(): field.name for field in dataclasses.fields(Settings)}
PORT = dict(pair.split("=") for line in last_stage()["ENV"] for pair in line.split())["PORT"]
USER = last_stage()["USER"][-1]
STOP_S = STOP_WITHIN_S + FLUSH_S
FACES, COUNTS = "anime-pipeline", "anime-pipeline-counts"
REPLICAS = [COMPOSE["services"][name] for name in ("faces-1", "faces-2")]
KUBERNETES = ("1.31", "1.37")


def named(kind, name=FACES):
    [found] = [each for each in OBJECTS if (each["kind"], each["metadata"]["name"]) == (kind, name)]
    return found


def pod(name=FACES):
    return named("Deployment", name)["spec"]["template"]


def container(name=FACES):
    [found] = pod(name)["spec"]["containers"]
    return found


def test_compose_takes_its_file():
    pytest.importorskip("check_jsonschema")
    check = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec"]
    done = subprocess.run([*check, DEPLOY / "compose.yaml"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("version", KUBERNETES)
def test_kubernetes_takes_its_files(version):
    checker = pytest.importorskip("kubernetes_validate")
    assert len(OBJECTS) >= 7
    for each in OBJECTS:
        checker.validate(each, version, strict=True)
    with pytest.raises(checker.ValidationError):
        checker.validate(named("Service") | {"spec": {"port": []}}, version, strict=True)


def environments():
    for each in REPLICAS:
        yield each["environment"]
    yield {pair["name"]: pair["value"] for pair in container()["env"]}


def test_their_variables_are_settings_with_good_values():
    for environment in environments():
        ours = {name: value for name, value in environment.items() if name != "PORT"}
        assert set(ours) <= set(VARIABLES)
        settings = Settings.from_environment(ours)
        assert settings.proxies == 1 and settings.rate_limit_storage


def test_ports_and_names_agree():
    for environment in environments():
        assert environment["PORT"] == PORT
    proxy = (DEPLOY / "haproxy.cfg").read_text(encoding="utf-8")
    servers = re.findall(r"^ +server \S+ (\S+):(\d+)$", proxy, re.MULTILINE)
    assert servers == [("faces-1", PORT), ("faces-2", PORT)]
    [listens] = re.findall(r"^ +bind :(\d+)$", proxy, re.MULTILINE)
    assert COMPOSE["services"]["proxy"]["ports"] == [f"{listens}:{listens}"]
    assert container()["ports"] == [{"name": "http", "containerPort": int(PORT)}]
    assert pod()["metadata"]["annotations"]["prometheus.io/port"] == PORT
    for environment, name in zip(environments(), ("counts", "counts", COUNTS), strict=True):
        assert environment[f"{PREFIX}RATE_LIMIT_STORAGE"] == f"redis://{name}:6379"
    assert "counts" in COMPOSE["services"]
    for name in (FACES, COUNTS):
        service, labels = named("Service", name)["spec"], pod(name)["metadata"]["labels"]
        assert service["selector"] == labels
        assert named("Deployment", name)["spec"]["selector"]["matchLabels"] == labels
        assert service["ports"][0]["targetPort"] == container(name)["ports"][0]["name"]
    assert named("PodDisruptionBudget")["spec"]["selector"]["matchLabels"] == labels_of_faces()
    policy = named("NetworkPolicy", COUNTS)["spec"]
    assert policy["ingress"][0]["from"] == [{"podSelector": {"matchLabels": labels_of_faces()}}]


def labels_of_faces():
    return pod()["metadata"]["labels"]


def test_the_autoscaler_goes_by_a_measurement_that_there_is():
    scaler = named("HorizontalPodAutoscaler")["spec"]
    [metric] = [each["pods"] for each in scaler["metrics"]]
    known = {family.name for family in Measurements(lambda: 0).registry.collect()}
    assert metric["metric"]["name"] in known
    assert int(metric["target"]["averageValue"]) < Settings.queue
    assert scaler["scaleTargetRef"]["name"] == FACES and scaler["minReplicas"] >= 2
    text = (DEPLOY / "kubernetes" / "autoscaling.yaml").read_text(encoding="utf-8")
    assert set(re.findall(r"anime_pipeline_\w+", text)) == {metric["metric"]["name"]}


def test_checks_of_health_ask_what_there_is(client):
    probes = {name: container()[f"{name}Probe"]["httpGet"] for name in ("startup", "readiness")}
    assert {probe["path"] for probe in probes.values()} == {"/readyz"}
    probes["liveness"] = container()["livenessProbe"]["httpGet"]
    for probe in probes.values():
        headers = {pair["name"]: pair["value"] for pair in probe["httpHeaders"]}
        assert headers == {"Host": "localhost"} and client.get(probe["path"]).status_code == 200
    proxy = (DEPLOY / "haproxy.cfg").read_text(encoding="utf-8")
    assert "uri /readyz ver HTTP/1.1 hdr Host localhost" in proxy
    # A proxy must not give up before an upload may.
    [limit] = re.findall(r"timeout server (\d+)s", proxy)
    assert int(limit) > Settings.upscale_timeout_s
    for document in re.findall(r"string '(\{.*?\})'", proxy):
        assert set(json.loads(document)) == {"type", "title", "status", "detail"}


def test_they_are_given_the_time_to_stop():
    for each in REPLICAS:
        assert float(each["stop_grace_period"].removesuffix("s")) > STOP_S
    before = int(
        re.search(r"sleep\((\d+)\)", container()["lifecycle"]["preStop"]["exec"]["command"][-1])[1]
    )
    probe = container()["readinessProbe"]
    assert pod()["spec"]["terminationGracePeriodSeconds"] > before + STOP_S
    assert probe["periodSeconds"] * probe["failureThreshold"] <= 10


def test_they_may_write_nothing_and_become_nobody_else():
    for name, each in COMPOSE["services"].items():
        assert each["read_only"] and each["cap_drop"] == ["ALL"], name
        assert each["security_opt"] == ["no-new-privileges:true"]
        assert int(each["user"].split(":")[0]) > 0 and each["mem_limit"] and each["pids_limit"]
        assert ":latest" not in each["image"]
    assert {each["user"] for each in REPLICAS} == {USER}
    for name in (FACES, COUNTS):
        security, around = container(name)["securityContext"], pod(name)["spec"]["securityContext"]
        assert security == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert around["runAsNonRoot"] and around["runAsUser"] > 0
        assert pod(name)["spec"]["automountServiceAccountToken"] is False
    assert pod()["spec"]["securityContext"]["runAsUser"] == int(USER.split(":")[0])


def test_each_replica_has_cores_of_its_own():
    cores = {each["cpuset"] for each in REPLICAS}
    assert cores == {"${FACES_1_CORES:-0}", "${FACES_2_CORES:-1}"}
    resources = container()["resources"]
    assert resources["requests"] == resources["limits"]  # for the class Guaranteed
    assert resources["limits"]["cpu"].isdecimal()


def test_only_the_proxy_is_reached_from_outside():
    assert COMPOSE["networks"]["inside"]["internal"]
    for name, each in COMPOSE["services"].items():
        assert ("ports" in each) == ("outside" in each["networks"]) == (name == "proxy")
