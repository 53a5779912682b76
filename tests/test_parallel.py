"""Steps on several devices and hosts are those of one: the same states, but for rounding."""

import json
import os
import subprocess
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest
from children import PATIENCE_S, child
from conftest import JAX, spawn

from anime_pipeline.core.config import LOSSES
from anime_pipeline.core.errors import UsageError
from anime_pipeline.training.parallel.peers import free_port
from anime_pipeline.training.request import Request

pytest.importorskip("jax")

STEPS = Path(__file__).parent / "parallel_steps.py"
WITHIN = 1e-6
WITHIN_IN_DOUBLE = 1e-10
# Losses of differences are the same whatever the critic's last bias is: its gradient is rounding
# alone, and Adam makes a whole step of that.
OF_DIFFERENCES = ("rpgan", "wgan-gp")
FREE = ("params|logits/bias", "losses|real_logit", "losses|fake_logit")


def environment(devices=1):
    flags = f"{JAX['XLA_FLAGS']} --xla_force_host_platform_device_count={devices}"
    return {**os.environ, **JAX, "XLA_FLAGS": flags}


def trained(tmp_path, jobs, devices=1):
    """Return the jobs' arrays after a few steps, by job and name, trained in one process."""
    out = tmp_path / f"{len(list(tmp_path.iterdir()))}.npz"
    process = spawn(STEPS, out, json.dumps(jobs), **environment(devices))
    assert process.returncode == 0, process.stderr[-2000:]
    with np.load(out) as arrays:
        return dict(arrays)


def trained_by_hosts(tmp_path, jobs, count=2, devices=1):
    out, port = tmp_path / "hosts.npz", free_port()
    with ExitStack() as stack:
        hosts = [
            stack.enter_context(
                child(STEPS, out, json.dumps(jobs), port, count, host, env=environment(devices),
                      stderr=subprocess.PIPE)
            )
            for host in range(count)
        ]  # fmt: skip
        said = [host.communicate(timeout=PATIENCE_S)[1] for host in hosts]
    assert [host.returncode for host in hosts] == [0] * count, said
    with np.load(out) as arrays:
        return dict(arrays)


def farthest(first, first_job, second, second_job, loss=""):
    """Return how far any number of two jobs' states is apart, and of losses above 1 any share."""
    apart = {}
    for name, value in first.items():
        job, _, key = name.partition(":")
        if job == first_job and not (loss in OF_DIFFERENCES and key.endswith(FREE)):
            far = float(np.abs(value - second[f"{second_job}:{key}"]).max())
            apart[key] = far / max(1.0, abs(float(value))) if "losses" in key else far
    assert apart
    return max((far, key) for key, far in apart.items())


def jobs_of(stage, counts, **fields):
    common = {"stage": stage, "fields": fields}
    reordered = [{"name": f"{stage} reordered", "permuted": True, **common}]
    many = [{"name": f"{stage} {count}", "devices": count, **common} for count in counts]
    return many + reordered


def assert_equal_but_for_rounding(found, stage, counts, loss=""):
    floor, _ = farthest(found, f"{stage} 1", found, f"{stage} reordered", loss)
    assert 0 < floor, "another order of the batch must show in the last bits"
    for count in counts:
        apart, where = farthest(found, f"{stage} 1", found, f"{stage} {count}", loss)
        assert apart <= WITHIN, f"{where}: {apart} on {count} devices; reordered {floor}"


# One form of the step, and so one to compile.
PLAIN = {"loss": "bce", "r1_gamma": 0, "r2_gamma": 0}


def test_two_devices_train_as_one(tmp_path):
    found = trained(tmp_path, jobs_of("dcgan", (1, 2), **PLAIN), devices=2)
    assert_equal_but_for_rounding(found, "dcgan", [2])


def test_two_hosts_train_as_one(tmp_path):
    phase = {"fidelity_steps": 6, "adversarial_steps": 0}
    job = [{"name": "one", "stage": "srgan", "fields": phase}]
    alone, by_hosts = trained(tmp_path, job), trained_by_hosts(tmp_path, job)
    apart, where = farthest(alone, "one", by_hosts, "one")
    assert apart <= WITHIN, where


@pytest.mark.slow
@pytest.mark.parametrize("stage,parts,fields", [
    ("dcgan", 1, {"loss": "bce", "image_size": 16}),
    ("dcgan", 2, {"loss": "hinge", "batch_size": 16, "architecture": "residual", "image_size": 16}),
    ("srgan", 2, {}),
])  # fmt: skip
def test_a_batch_in_parts_is_the_whole_batch(stage, parts, fields, tmp_path):
    common = {"stage": stage, "fields": fields}
    jobs = [{"name": "whole", **common}] + [
        {"name": f"parts {devices}", "parts": parts, "devices": devices, **common}
        for devices in (1, 2)
    ]
    found = trained(tmp_path, jobs, devices=2)
    for devices in (1, 2):
        apart, where = farthest(found, "whole", found, f"parts {devices}")
        assert apart <= WITHIN, (where, apart, devices)


@pytest.mark.slow
@pytest.mark.parametrize("loss", LOSSES)
def test_all_losses_on_two_and_four_devices(loss, tmp_path):
    fields = {"loss": loss, "image_size": 16, "batch_size": 16, "condition": "hair,skin"}
    found = trained(tmp_path, jobs_of("dcgan", (1, 2, 4), **fields), devices=4)
    assert_equal_but_for_rounding(found, "dcgan", [2, 4], loss)


@pytest.mark.slow
@pytest.mark.parametrize("stage,fields", [
    ("srgan", {}),
    ("dcgan", {"loss": "hinge", "d_steps": 2, "architecture": "residual", "image_size": 16}),
    ("dcgan", {"loss": "bce", "architecture": "reference", "image_size": 16}),
    ("dcgan", {"loss": "bce", "steps_per_dispatch": 2, "r1_gamma": 0, "r2_gamma": 0}),
    ("srgan", {"architecture": "reference"}),
    ("srgan", {"label_noise": 0.2, "steps_per_dispatch": 2}),
])  # fmt: skip
def test_architectures_and_dispatches_on_four_devices_and_two_hosts(
    stage, fields, tmp_path, monkeypatch
):
    if fields.get("architecture") == "reference":
        # Which makes of the last bits what another order of the batch makes of them, too.
        monkeypatch.setitem(JAX, "JAX_ENABLE_X64", "1")
    found = trained(tmp_path, jobs_of(stage, (1, 2, 4), **fields), devices=4)
    assert_equal_but_for_rounding(found, stage, [2, 4])
    # Two hosts of two devices each.
    job = [{"name": f"{stage} 4", "stage": stage, "devices": 2, "fields": fields}]
    apart, where = farthest(
        found, f"{stage} 1", trained_by_hosts(tmp_path, job, devices=2), f"{stage} 4"
    )
    assert apart <= WITHIN, where


def open_mpi(host, count):
    """Return what Open MPI tells a process; JAX takes the port from the job's number."""
    job = os.getpid() % 2**12 << 12
    return {
        "OMPI_MCA_orte_hnp_uri": f"{job}.0;tcp://127.0.0.1:34911",
        "OMPI_COMM_WORLD_SIZE": str(count),
        "OMPI_COMM_WORLD_RANK": str(host),
        "OMPI_COMM_WORLD_LOCAL_RANK": str(host),
    }


@pytest.mark.slow
def test_hosts_find_each_other_by_their_cluster(tmp_path):
    phase = {"fidelity_steps": 6, "adversarial_steps": 0}
    job, out = [{"name": "one", "stage": "srgan", "fields": phase}], tmp_path / "hosts.npz"
    with ExitStack() as stack:
        hosts = [
            stack.enter_context(
                child(STEPS, out, json.dumps(job), "auto", env=environment() | open_mpi(host, 2),
                      stderr=subprocess.PIPE)
            )
            for host in range(2)
        ]  # fmt: skip
        said = [host.communicate(timeout=PATIENCE_S)[1] for host in hosts]
    assert [host.returncode for host in hosts] == [0, 0], said
    with np.load(out) as arrays:
        apart, where = farthest(trained(tmp_path, job), "one", dict(arrays), "one")
    assert apart <= WITHIN, where


@pytest.mark.slow
@pytest.mark.parametrize("host", [0, 1])
def test_a_cluster_that_does_not_come_is_told_in_words(host, tmp_path):
    call = ["-m", "anime_pipeline", "train-dcgan", "--coordinator", "auto", "--host-timeout", 3]
    alone = spawn(*call, "--data", tmp_path, **environment() | open_mpi(host, 2))
    assert alone.returncode == 6
    assert "Not all hosts that the cluster promises have come within 3 s" in alone.stderr
    assert "SetError" not in alone.stderr


@pytest.mark.slow
def test_the_whole_preset_is_the_same_step_in_double_precision(tmp_path, monkeypatch):
    """In single precision its rounding grows to what another order of the batch makes too."""
    monkeypatch.setitem(JAX, "JAX_ENABLE_X64", "1")
    fields = {"feature_critic": False, "condition": "hair,skin", "image_size": 32}
    common = {"stage": "dcgan", "preset": "cpu", "steps": 2, "fields": fields}
    jobs = [{"name": f"{count}", "devices": count, **common} for count in (1, 2, 4)]
    found = trained(tmp_path, jobs, devices=4)
    for count in ("2", "4"):
        apart, where = farthest(found, "1", found, count, "rpgan")
        assert apart <= WITHIN_IN_DOUBLE, (count, where, apart)


@pytest.mark.parametrize(
    "given,expected",
    [
        ({"num_hosts": 2}, "Give --coordinator HOST:PORT"),
        ({"coordinator": "auto", "host_id": 1}, "Give --coordinator HOST:PORT"),
        ({"coordinator": "here"}, "Expected HOST:PORT"),
        ({"coordinator": "here:0", "num_hosts": 2, "host_id": 0}, "Expected HOST:PORT"),
        ({"coordinator": "here:99", "num_hosts": 2}, "each host its own --host-id"),
        ({"coordinator": "here:99", "num_hosts": 2, "host_id": 2}, "from 0 to N - 1"),
    ],
)
def test_hosts_that_contradict_each_other_are_refused(given, expected):
    with pytest.raises(UsageError, match=expected):
        Request(["faces"], **given)


@pytest.mark.parametrize("options", [["--devices", 2], ["--coordinator", "auto"]])
def test_tensorflow_says_what_only_jax_can_do(options, cli, monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "tensorflow")
    result = cli("train-dcgan", *options)
    assert result.code == 2
    assert f"{options[0]} {options[1]} needs JAX. Set KERAS_BACKEND=jax" in result.stderr


MESHES = """
import numpy as np
from anime_pipeline.core.errors import UsageError
from anime_pipeline.models.mesh import Mesh, local
mesh = Mesh(2)
assert (mesh.size, mesh.hosts, mesh.own_rows(8)) == (2, 1, slice(0, 8))
rows = mesh.divided(np.arange(12).reshape(2, 6), 1)
assert [shard.data.shape for shard in rows.addressable_shards] == [(2, 3)] * 2
whole = mesh.whole({"a": np.arange(3)})
assert len(whole["a"].devices()) == 2 and len(local(whole)["a"].devices()) == 1
for wrong in (lambda: mesh.own_rows(9), lambda: Mesh(3)):
    try:
        wrong()
    except UsageError as error:
        print(error)
"""


def test_what_cannot_be_divided_is_refused_with_what_can():
    process = spawn("-c", MESHES, **environment(2))
    assert process.returncode == 0, process.stderr[-2000:]
    assert "Received: 9. Give --batch-size 12, or fewer --devices." in process.stdout
    assert "Expected at most 2 devices on host 0. Received: --devices 3." in process.stdout


MEMORY = """
import sys
sys.path.insert(0, sys.argv[1])
from parallel_steps import make_task
from anime_pipeline.core.errors import PipelineError
from anime_pipeline.training.parallel import memory
fields = {"batch_size": 64, "loss": "hinge", "architecture": "residual", "r1_gamma": 0}
task = make_task("dcgan", {**fields, "r2_gamma": 0, "image_size": 16})
needed = {count: memory.step_bytes(task, count) for count in (16, 32, 64)}
for batch in (32, 64):
    said = memory.words(task, int(1.3 * needed[batch]))
    fits = int(said.split("--batch-size ")[2].split()[0].rstrip(",")) if "would fit" in said else 0
    print(batch, fits, said)
task.use(None, 4)
print(needed[64], memory.step_bytes(task, 64))
"""


@pytest.mark.slow
def test_what_would_fit_does_and_parts_take_less():
    process = spawn("-c", MEMORY, STEPS.parent, **environment())
    assert process.returncode == 0, process.stderr[-2000:]
    half, all_, parts = process.stdout.splitlines()
    batch, fits, words = half.split(maxsplit=2)
    # 1.17 times what 32 pictures take, weights included.
    assert 32 <= int(fits) < 48 and "Out of memory: --batch-size 64 needs about" in words
    assert "--accumulate 2, which computes the same batch" in words
    assert "Close them" in all_  # for it fits
    whole, divided = map(int, parts.split())
    assert divided < 0.6 * whole


class Wide:
    """A task whose pictures take 1 GB each beside 2 GB of weights, on two devices."""

    class config:  # noqa: N801
        batch_size = 64

    class mesh:  # noqa: N801
        size = 2

    group_size, parts = 4, 0


@pytest.mark.parametrize("limit,expected", [
    (40e9, "--batch-size 64 needs about 66.0 GB on each of 2 devices, which has 40.0 GB. "
           "Give --batch-size 32, which would fit, or --accumulate 2"),
    (8e9, "No batch would fit. Give a smaller --width"),
    (99e9, "Other programs use it. Close them"),
])  # fmt: skip
def test_out_of_memory_is_said_with_what_would_fit(limit, expected, monkeypatch):
    from anime_pipeline.training.parallel import memory

    monkeypatch.setattr(memory, "step_bytes", lambda _, batch: int((2 + batch) * 1e9))
    assert expected in memory.words(Wide, int(limit))


def test_a_step_without_memory_says_so(monkeypatch):
    from anime_pipeline.core.errors import PipelineError
    from anime_pipeline.training.parallel import memory

    monkeypatch.setattr(memory, "words", lambda *_: "8 would fit")
    monkeypatch.setattr(memory.backend, "name", lambda: "jax")
    monkeypatch.setattr(memory, "device_bytes", lambda: 1)
    with pytest.raises(PipelineError, match="8 would fit"), memory.saying_what_fits(Wide):
        raise RuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 5 bytes")
    with pytest.raises(RuntimeError, match="else"), memory.saying_what_fits(Wide):
        raise RuntimeError("something else")
