"""Training runs listed, compared and plotted, damaged and namesake ones included."""

import shutil

from PIL import Image

from anime_pipeline.core.runs import METRICS_FILE, locked, read_metrics, read_run


def test_runs_are_listed_compared_and_plotted(two_runs, cli, tmp_path):
    listed = cli("runs", "list", "--checkpoints", two_runs, "--json").json["runs"]
    assert [(run["name"], run["state"], run["step"]) for run in listed] == [
        ("dcgan/1-cpu", "complete", 120), ("dcgan/2-cpu", "complete", 120)
    ]  # fmt: skip
    assert "120 of 120" in cli("runs", "list", "--checkpoints", two_runs).stdout
    names = ("dcgan/1-cpu", "dcgan/2-cpu")
    compared = cli("runs", "compare", *names, "--checkpoints", two_runs, "--json").json
    assert compared["settings"] == {"loss": ["bce", "hinge"]}
    assert "data" not in compared["settings"]
    for position, name in enumerate(names):
        last = {}
        for row in read_metrics(two_runs / name / METRICS_FILE):
            last |= row
        assert compared["measured"]["loss_d"][position] == last["loss_d"]
    text = cli("runs", "compare", *names, "--checkpoints", two_runs).stdout
    assert "hinge" in text and "accuracy_fake" in text
    for chosen, width in ((names[:1], 500), (names, 1000)):
        assert cli("runs", "plot", *chosen, "--checkpoints", two_runs).code == 0
        name = "_".join(["runs", *chosen]).replace("/", "-")
        with Image.open(tmp_path / f"outputs/{name}.png") as picture:
            assert picture.width > width


def test_runs_of_one_name_are_told_apart(two_runs, cli, tmp_path):
    for parent in ("a", "b$x$"):
        shutil.copytree(two_runs / "dcgan/1-cpu", tmp_path / parent / "dcgan/1-cpu")
    both = ["a/dcgan/1-cpu", "b$x$/dcgan/1-cpu"]
    result = cli("runs", "plot", *both)
    assert result.code == 0 and all(str(tmp_path / name) in result.stderr for name in both)
    assert cli("runs", "plot", both[0], "--out", "p.png").code == 0
    result = cli("runs", "plot", both[1], "--out", "p.png")
    assert result.code == 2 and "p.png exists" in result.stderr
    assert cli("runs", "plot", both[1], "--out", "p.jpg").code == 2


def test_damaged_logs_and_runs_hide_nothing_else(two_runs, cli, tmp_path):
    folder = tmp_path / "runs"
    shutil.copytree(two_runs, folder)
    with (folder / "dcgan/1-cpu" / METRICS_FILE).open("a") as file:
        for value in ("NaN", "null", '"high"', "[1, 2]", "1e999", "[" * 5000):
            file.write(f'{{"step": 130, "loss_d": {value}, "accuracy_fake": {value}}}\n')
    result = cli("runs", "list", "--checkpoints", folder, "--json")
    assert len(result.json["runs"]) == 2 and "NaN" not in result.stdout
    assert cli("runs", "list", "--checkpoints", folder).code == 0
    assert cli("runs", "plot", "dcgan/1-cpu", "--checkpoints", folder).code == 0
    path = folder / "dcgan/2-cpu/config.json"
    for text in (path.read_text().replace('"steps": 120', '"steps": 1e400'), "[" * 200_000):
        path.write_text(text)
        result = cli("runs", "list", "--checkpoints", folder, "--json")
        assert len(result.json["runs"]) == 1 and "2-cpu" in result.stderr


def test_runs_know_a_living_one_and_pass_over_a_damaged_one(two_runs, cli):
    with locked(two_runs / "dcgan/1-cpu"):
        assert read_run(two_runs / "dcgan/1-cpu").state == "training"
    (two_runs / "dcgan/3-cpu").mkdir()
    (two_runs / "dcgan/3-cpu/config.json").write_text("{")
    result = cli("runs", "list", "--checkpoints", two_runs, "--json")
    assert len(result.json["runs"]) == 2 and "3-cpu" in result.stderr
    (two_runs / "dcgan/3-cpu/config.json").unlink()
    (two_runs / "dcgan/3-cpu").rmdir()
    missing = cli("runs", "compare", "dcgan/9", "--checkpoints", two_runs)
    assert missing.code == 5 and "dcgan/2-cpu" in missing.stderr
    assert "makes one" in cli("runs", "list", "--checkpoints", "nowhere").stderr
