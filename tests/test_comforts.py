"""doctor, models, runs, settings files, the environment, completion, dry runs, TensorBoard."""

import json
import os
import pty
import re
import sys

import pytest
from children import child
from conftest import TINY_CALL, spawn

from anime_pipeline.core.config import DcganConfig
from anime_pipeline.core.runs import METRICS_FILE, read_metrics


def test_doctor_finds_this_installation_sound(cli):
    result = cli("doctor", "--json")
    assert result.code == 0, result.stderr
    checks = {check["name"]: check for check in result.json["checks"]}
    assert len(checks) == 10 and {c["status"] for c in checks.values()} <= {"ok", "note"}
    assert "tensorflow 2." in checks["Backend"]["detail"]
    assert "faces/s" in checks["Self-test"]["detail"]
    plain = cli("doctor").stdout
    assert all(name in plain for name in checks)


def test_doctor_names_what_is_broken_and_looks_at_the_rest(cli, monkeypatch):
    monkeypatch.setattr("anime_pipeline.models.zoo.sha256_of", lambda path: "0")
    result = cli("doctor", "--json")
    failed = [check for check in result.json["checks"] if check["status"] == "fail"]
    assert result.code == 1 and len(result.json["checks"]) == 10
    assert {check["name"] for check in failed} == {"Shipped weights", "Self-test"}
    assert "install the package again" in failed[0]["detail"]


def test_models_list_verify_and_path(cli, monkeypatch):
    models = cli("models", "list", "--json").json["models"]
    assert {model["name"] for model in models} >= {"dcgan", "fidelity", "perceptual"}
    assert all(os.path.getsize(model["path"]) == model["bytes"] for model in models)
    table = cli("models", "list").stdout
    assert all(model["sha256"][:16] in table for model in models)
    assert cli("models", "path", "dcgan").stdout.strip().endswith("dcgan.npz")
    assert cli("models", "path", "nothing").code == 2
    assert set(cli("models", "verify", "--json").json["models"].values()) == {True}
    monkeypatch.setattr("anime_pipeline.models.zoo.sha256_of", lambda path: "0")
    result = cli("models", "verify")
    assert result.code == 5 and "DAMAGED" in result.stdout
    assert "missing or damaged" in cli("models", "list").stdout


def test_tensorboard_files_hold_the_log(two_runs):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    run = two_runs / "dcgan/1-cpu"
    events = EventAccumulator(str(run / "tensorboard"))
    events.Reload()
    rows = [row for row in read_metrics(run / METRICS_FILE) if "loss_d" in row]
    logged = events.Scalars("loss_d")
    assert [event.step for event in logged] == [row["step"] for row in rows]
    assert [event.value for event in logged] == pytest.approx([row["loss_d"] for row in rows])
    assert len(events.Images("samples")) == len(list((run / "samples").glob("*.png")))


def test_tensorboard_without_its_package_is_said_before_anything_is_made(cli, drawn, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    result = cli(*TINY_CALL, "--data", drawn, "--steps", 4, "--tensorboard")
    assert result.code == 1 and "pip install tensorboardX" in result.stderr
    assert not os.path.exists("checkpoints")


def test_a_dry_run_tells_everything_and_writes_nothing(cli, drawn, tmp_path, monkeypatch):
    plan = cli(*TINY_CALL, "--data", drawn, "--steps", 50, "--dry-run", "--json").json
    assert plan["steps"] == 50 and plan["config"]["width"] == 4
    assert sum(plan["images"].values()) == 120 and plan["minutes"] > 0
    seen = plan["an_hour"]["images_seen"]
    assert seen == pytest.approx(50 * plan["config"]["batch_size"] * 60 / plan["minutes"], rel=0.01)
    assert plan["an_hour"]["passes"] == pytest.approx(seen / plan["images"]["train"], rel=0.01)
    from anime_pipeline.core.config import from_dict
    from anime_pipeline.models.dcgan import build_generator

    model = build_generator(from_dict(DcganConfig, plan["config"]))
    trained = sum(v.shape.num_elements() for v in model.trainable_variables)
    assert plan["parameters"]["generator"] == trained
    assert plan["disk_bytes"] > 4 * 5 * trained and plan["peak_memory_bytes"] > 1e8
    # The time that a step takes was measured above.
    monkeypatch.setattr("anime_pipeline.training.plan.seconds_per_step", lambda *_: 0.1)
    assert "latent_dim" in cli(*TINY_CALL, "--data", drawn, "--steps", 50, "--dry-run").stdout
    uneven = iter((0.1, 0.3))  # as on a busy machine: a plan from one measurement fits itself
    monkeypatch.setattr("anime_pipeline.training.plan.seconds_per_step", lambda *_: next(uneven))
    five = cli(*TINY_CALL, "--data", drawn, "--minutes", 5, "--dry-run", "--json")
    assert five.json["minutes"] == pytest.approx(5, rel=0.01)
    monkeypatch.setattr("anime_pipeline.training.plan.seconds_per_step", lambda *_: 0.1)
    stage_two = cli(
        "train-srgan", "--data", drawn, "--steps", 8, "--batch-size", 4, "--crop-size", 16,
        "--set", "blocks=1", "--perceptual-weight", 0, "--dry-run", "--json",
    )  # fmt: skip
    phases = stage_two.json["config"]
    assert phases["fidelity_steps"] + phases["adversarial_steps"] == 8
    assert min(phases["fidelity_steps"], phases["adversarial_steps"]) > 0
    assert not (tmp_path / "checkpoints").exists()


def test_a_settings_file_gives_defaults_that_options_override(
    cli, drawn, tmp_path, monkeypatch, untimed
):
    (tmp_path / "run.toml").write_text(
        f"data = {str(drawn)!r}\nsteps = 40\nbatch-size = 8\nwidth = 4\nimage_size = 16\n"
        "r1_gamma = 0.5\nflip = false\nloss = 'hinge'\nseed = 3\n"
    )
    call = ["train-dcgan", "--config", "run.toml", "--dry-run", "--json"]
    config = cli(*call).json["config"]
    wanted = {"steps": 40, "batch_size": 8, "width": 4, "image_size": 16, "r1_gamma": 0.5,
              "flip": False, "loss": "hinge", "seed": 3}  # fmt: skip
    assert {name: config[name] for name in wanted} == wanted
    changed = cli(*call, "--epochs", 2, "--loss", "bce", "--set", "r1_gamma=0.25").json["config"]
    assert changed["loss"] == "bce" and changed["r1_gamma"] == 0.25 and changed["width"] == 4
    assert changed["steps"] != 40
    beaten = cli(*call, "--set", "width=8", "--set", "loss=bce").json["config"]
    assert beaten["width"] == 8 and beaten["loss"] == "bce"
    (tmp_path / "minutes.toml").write_text(f"data = {str(drawn)!r}\nminutes = 9\nwidth = 4\n")
    monkeypatch.setenv("ANIME_PIPELINE_TRAIN_DCGAN_STEPS", "11")
    plan = cli("train-dcgan", "--config", "minutes.toml", "--dry-run", "--json").json
    assert plan["steps"] == 11


def test_an_earlier_run_is_a_settings_file(two_runs, cli, untimed):
    run = two_runs / "dcgan/2-cpu"
    plan = cli("train-dcgan", "--config", run, "--dry-run", "--json").json
    assert plan["config"] == json.loads((run / "config.json").read_text())["config"]


@pytest.mark.parametrize(
    "text,message",
    [
        ("steps = 'many'", "invalid value for 'steps'"),
        ("steps = 60.9", "invalid value for 'steps'"),
        ("steps = true", "invalid value for 'steps'"),
        ("tensorboard = 1", "invalid value for 'tensorboard'"),
        ("minutes = nan", "not a finite number"),
        ("data = [1, 2]", "invalid value for 'data'"),
        ("checkpoints = 5", "invalid value for 'checkpoints'"),
        ("latent_dim = 2024-01-01", "invalid value for 'latent_dim'"),
        ("x = " + "[" * 3000, "not understood"),
        ("colour = 'red'", "Unknown DcganConfig field"),
        ("resume = 'latest'", "cannot stand in a file"),
        ("[train]\nsteps = 3", "is a table"),
        ("steps =", "not understood"),
        ("width = [4]", "invalid value for 'width'"),
        (None, "cannot be read"),
    ],
)
def test_a_bad_settings_file_is_exit_2(cli, tmp_path, text, message):
    if text is not None:
        (tmp_path / "run.toml").write_text(text)
    result = cli("train-dcgan", "--config", "run.toml")
    assert result.code == 2 and message in result.stderr, result.stderr


def test_options_come_from_the_environment_below_the_command_line(cli, monkeypatch):
    monkeypatch.setenv("ANIME_PIPELINE_GENERATE_SEED", "7")
    monkeypatch.setenv("ANIME_PIPELINE_GENERATE_OUT", "elsewhere")
    made = cli("generate", "-n", 1, "--json").json
    assert made["faces"][0]["seed"] == 7 and made["out"] == "elsewhere"
    assert cli("generate", "-n", 1, "--seed", 8, "--json").json["faces"][0]["seed"] == 8
    monkeypatch.setenv("ANIME_PIPELINE_GENERATE_JSON", "1")
    assert cli("generate", "-n", 1).json["faces"][0]["seed"] == 7
    monkeypatch.setenv("ANIME_PIPELINE_RUNS_LIST_CHECKPOINTS", "far-away")
    assert "far-away" in cli("runs", "list").stderr
    monkeypatch.setenv("ANIME_PIPELINE_TRAIN_DCGAN_LOSS", "nonsense")
    assert cli("train-dcgan").code == 2


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts(cli, shell):
    result = cli("completion", shell)
    assert result.code == 0 and "_ANIME_PIPELINE_COMPLETE" in result.stdout


def complete(*words):
    """Ask as bash does: the words so far, the last one unfinished."""
    code = (
        "import sys; sys.argv = ['anime-pipeline']; from anime_pipeline.cli.main import run; run()"
    )
    process = spawn(
        "-c", code, _ANIME_PIPELINE_COMPLETE="bash_complete",
        COMP_WORDS=" ".join(("anime-pipeline", *words)), COMP_CWORD=str(len(words)),
    )  # fmt: skip
    return {line.partition(",")[2] for line in process.stdout.splitlines()}


def test_tab_completes_commands_options_choices_and_names(two_runs):
    assert complete("gen") == {"generate"}
    assert complete("generate", "--ov") == {"--overwrite"}
    assert complete("train-dcgan", "--loss", "rp") == {"rpgan"}
    assert complete("runs", "co") == {"compare"}
    assert "fidelity" in complete("upscale", "--weights", "fi")
    checkpoints = str(two_runs)
    assert {"dcgan/1-cpu", "dcgan/2-cpu"} <= complete(
        "runs", "plot", "--checkpoints", checkpoints, "dc"
    )


def on_a_terminal(*arguments, **environment):
    """Run a command with a pseudo-terminal as its stderr; return what appears there."""
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm-256color", **environment}
    shown = b""
    with child("-m", "anime_pipeline", *arguments, stderr=theirs, env=environment) as process:
        os.close(theirs)
        while True:
            try:
                part = os.read(ours, 65536)
            except OSError:  # the other end is closed
                break
            if not part:
                break
            shown += part
        os.close(ours)
        assert process.wait() == 0
    return shown.decode()


COLOUR = r"\x1b\[(?:\d+;)*(?:3[0-8]|9[0-7])[;m]"


def test_a_terminal_gets_a_bar_and_no_color_is_respected(tmp_path):
    coloured = on_a_terminal("sample-data", tmp_path / "a", "--count", 40, "--size", 64)
    assert "Drawing" in coloured and re.search(COLOUR, coloured)
    plain = on_a_terminal(
        "sample-data", tmp_path / "b", "--count", 40, "--size", 64, NO_COLOR="1"
    )  # fmt: skip
    assert "Drawing" in plain and not re.search(COLOUR, plain)


def test_elsewhere_there_are_plain_lines(tmp_path):
    process = spawn("-m", "anime_pipeline", "sample-data", tmp_path / "a", "--count", 20)
    assert "\x1b" not in process.stderr and "20 drawn faces" in process.stderr
