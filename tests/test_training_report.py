"""The page of a run, whole and with parts missing, and the panel that training shows."""

import io
import json
import os
import signal
from html.parser import HTMLParser

import numpy as np
import pytest
from rich.console import Console

from anime_pipeline.cli.live import LivePanel, Pace, describe, draw, last_evaluation
from anime_pipeline.core.advice import standing
from anime_pipeline.core.config import to_dict
from anime_pipeline.core.presets import DCGAN_PRESETS, SRGAN_PRESETS
from anime_pipeline.core.runs import METRICS_FILE, RUN_CONFIG, WARNINGS_FILE, locked
from anime_pipeline.images.codec import write_png
from anime_pipeline.reports.training import MOST_GRIDS, as_html, write_report
from anime_pipeline.reports.view import digest, duration
from anime_pipeline.training.loop import Progress

VOID = {"meta", "img", "br", "hr", "link", "input"}
LEVEL = {"accuracy_real_train": 0.8, "accuracy_real_val": 0.78, "accuracy_fake": 0.8,
         "auc_real_fake": 0.88, "val_images": 256, "diversity": 0.9, "kid_val": 0.03}  # fmt: skip


class Page(HTMLParser):
    """Checks that every element closes where it should; collects text, pictures and addresses."""

    def __init__(self, html):
        super().__init__()
        self.open, self.images, self.addresses, self.text = [], [], [], ""
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        self.addresses += [v for k, v in attributes if k in ("src", "href", "srcset", "action")]
        assert not any(name.startswith("on") for name in found) and tag != "script"
        if tag == "img":
            self.images.append(found)
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


def make_run(parent, name="1-cpu", stage="dcgan", rows=(), grids=(), **changes):
    """Make up a run folder."""
    folder = parent / stage / name
    folder.mkdir(parents=True)
    config = to_dict((DCGAN_PRESETS if stage == "dcgan" else SRGAN_PRESETS)["cpu"]) | changes
    facts = {
        "version": "0.2.0", "preset": "cpu", "config": config, "data": ["faces & <b>more</b>"],
        "data_fingerprint": "abc", "images": 1000, "backend": "tensorflow", "task": {},
        "libraries": {"keras": "3"}, "cpu": "A <fast> one",
    }  # fmt: skip
    (folder / RUN_CONFIG).write_text(json.dumps(facts))
    if rows:
        (folder / METRICS_FILE).write_text("".join(json.dumps(row) + "\n" for row in rows))
    for epoch in grids:
        picture = np.full((12, 12, 3), epoch, np.uint8)
        write_png(folder / "samples" / f"epoch_{epoch:04d}.png", picture)
    return folder


def log(count=6, **more):
    return [
        {"step": 50 * n, "epoch": n, "loss_d": 0.5, "loss_g": 1.5, "images_per_second": 100.0}
        | LEVEL
        | more
        for n in range(1, count + 1)
    ]


def test_the_page_says_what_was_trained_and_how_it_went(tmp_path):
    folder = make_run(tmp_path, rows=log(), grids=range(20), steps=300, r1_gamma=0.7)
    (folder / WARNINGS_FILE).write_text("step 200: collapse: The faces become alike <sic>.\ntorn")
    path = write_report(folder)
    assert path == folder / "report.html" and write_report(folder) == path
    page = Page(path.read_text(encoding="utf-8"))
    assert len(page.images) == MOST_GRIDS + 1, "first, some in between, last, and the curves"
    assert all(image["alt"].strip() for image in page.images)
    assert page.addresses and all(a.startswith("data:image/png;base64,") for a in page.addresses)
    for text in (
        "dcgan/1-cpu", "Soon after the start", "The last: after epoch 19", "At step 200.",
        "The faces become alike <sic>.", "torn", "r1_gamma", "0.7", "Level.", "memorises",
        "KID, to compare runs", "best 0.03 at step 50", "A <fast> one",
        "faces & <b>more</b>", "9,600", "Discriminator loss", "complete",
    ):  # fmt: skip
        assert text in page.text, text


def test_a_stopped_run_is_told_how_to_go_on_and_a_living_one_is_not(tmp_path):
    folder = make_run(tmp_path, rows=log())
    resume = f"train-dcgan --resume {folder}"
    assert resume in as_html(folder)
    with locked(folder):
        assert "still training" in as_html(folder) and resume not in as_html(folder)
        assert resume in as_html(folder, ended=True), "the trainer holds the lock while it writes"


def test_stage_two_has_a_page_too(tmp_path):
    rows = [
        {"step": n, "epoch": 1, "loss_pixel": 0.1, "val_psnr_db": 20.0 + n,
         "val_psnr_bicubic_db": 21.5}
        for n in (1, 2, 3)
    ]  # fmt: skip
    page = Page(as_html(make_run(tmp_path, stage="srgan", rows=rows, grids=[1])))
    for text in ("enlarge faces 4 times", "23.00 dB", "PSNR of plain bicubic: 21.50 dB"):
        assert text in page.text
    assert "Who is ahead?" not in page.text


def test_missing_and_damaged_parts_leave_a_page(tmp_path):
    assert "No sample grid yet" in Page(as_html(make_run(tmp_path / "new"))).text
    folder = make_run(tmp_path, grids=[3], batch_size="many", extra=[1, {"a": None}])
    (folder / "samples" / "epoch_0004.png").write_bytes(b"\x89PNG half")
    (folder / "samples" / "epoch_&x.png").write_bytes(b"")
    (folder / "generator.npz").write_bytes(b"PK")
    lines = ['{"step": 50, "loss', '{"step": 60, "kid_val": 1e300, "odd<i>": 1}', "[]", "\x00"]
    lines += ['{"step": 70, "kid_val": -1e300, "epoch": 1.5, "accuracy_fake": 7}']
    lines += ['{"step": 80, "accuracy_real_train": -3, "accuracy_real_val": 0, "val_images": 0}']
    (folder / METRICS_FILE).write_text("\n".join(lines))
    (folder / WARNINGS_FILE).write_bytes(b"\xff\xfe <script>\n\n")
    page = Page(as_html(folder))
    assert "odd<i>" in page.text and "fter epoch 3" in page.text
    assert len(page.images) == 2


def test_names_are_escaped(tmp_path):
    folder = make_run(tmp_path, name="1-<img src=x onerror=y>&\"'", rows=log(), grids=[1])
    html = as_html(folder)
    page = Page(html)
    assert "dcgan/1-<img src=x onerror=y>&\"'" in page.text and "<img src=x" not in html


def test_the_command_writes_it(tmp_path, cli):
    make_run(tmp_path / "runs", rows=log(2))
    result = cli("runs", "report", "dcgan/1-cpu", "--checkpoints", tmp_path / "runs")
    assert result.code == 0 and "report.html" in result.stderr
    assert cli("runs", "report", "dcgan/2", "--checkpoints", tmp_path / "runs").code == 5


def test_one_evaluation_tells_how_the_networks_stand():
    expected = {
        "level": {},
        "memorising?": {"accuracy_real_val": 0.6},
        "discriminator never wrong": {"accuracy_real_train": 1.0, "accuracy_real_val": 1.0,
                               "accuracy_fake": 0.99},
        "discriminator ahead": {"accuracy_real_train": 0.95, "accuracy_real_val": 0.93,
                         "accuracy_fake": 0.94},
        "discriminator guesses": {"auc_real_fake": 0.5},
    }  # fmt: skip
    for word, change in expected.items():
        assert standing(LEVEL | change).word == word
    assert standing(LEVEL | {"auc_real_fake": 0.986}).word == "discriminator ahead"
    few = LEVEL | expected["memorising?"] | {"val_images": 6}
    assert standing(few).word == "level", "six pictures tell little"
    assert standing({}) is None


def test_times_are_summed_from_the_pace():
    rows = [{"step": 10, "images_per_second": 5.0}, {"step": 30, "images_per_second": 20.0}]
    assert digest(rows).seconds * 10 == 20 + 10
    assert [duration(s) for s in (42, 720, 11_100)] == ["42 s", "12 min", "3 h 05 min"]


def terminal():
    return Console(record=True, force_terminal=True, width=90, soft_wrap=True, file=io.StringIO())


def a_pace(steps=60):
    pace = Pace()
    for n in range(steps):
        pace.add({"loss_d": float(n), "loss_g": 2.0, "real_logit": 9.0})
    return pace


def test_the_panel_shows_what_is_known(tmp_path):
    folder = make_run(tmp_path, rows=log(), grids=[1, 2])
    (folder / WARNINGS_FILE).write_text("step 200: collapse: [bold]alike[/nonsense]\n")
    progress, console = Progress(folder, 60, 300, 50, {}), terminal()
    console.print(draw(progress, a_pace(), last_evaluation(folder), 32), soft_wrap=False)
    shown = console.export_text()
    for text in ("step 60 of 300", "Discriminator 34.500", "Generator 2.000", "held-out 78.0%",
                 "level", "90%", "KID", "0.03 · lower is better · best 0.03", "epoch_0002",
                 "[bold]alike[/nonsense]"):  # fmt: skip
        assert text in shown.replace("\n", ""), text
    assert {len(line) for line in shown.splitlines()} == {90}, "no line breaks the frame"
    bare = terminal()
    bare.print(draw(Progress(tmp_path, 1, 300, 50, {}), a_pace(1), None, 32), soft_wrap=False)
    assert "step 1 of 300" in bare.export_text()


def test_plain_lines_hold_smoothed_losses_and_no_raw_scores(tmp_path):
    line = describe(Progress(tmp_path, 60, 300, 50, {}), a_pace())
    assert line.startswith("step 60/300  epoch 2  d 34.500  g 2.000  ETA") and "logit" not in line


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_panel_gives_way_before_ctrl_c_is_answered(tmp_path, number):
    folder, console, heard = make_run(tmp_path), terminal(), []
    panel = LivePanel(console, 32)

    def answer(*_):
        heard.append(console.file.getvalue())

    before = signal.signal(number, answer)
    try:
        panel.show(Progress(folder, 5, 300, 50, {}), a_pace(5))
        os.kill(os.getpid(), number)
        assert len(heard) == 1 and heard[0].endswith("\n\x1b[?25h"), "closed, the cursor below it"
        assert signal.getsignal(number) is answer
        panel.show(Progress(folder, 50, 300, 50, {}), a_pace(5))
        panel.close()
        assert console.file.getvalue() == heard[0], "and never drawn again"
    finally:
        panel.close()
        signal.signal(number, before)
