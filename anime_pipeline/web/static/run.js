// @ts-check
/** The pages of training runs, fresh while one trains; of a single run, its samples and curves. */

import { fetchRun, messageOf } from "./backend.js";
import { Chart } from "./chart.js";
import { alarm, copyText, find, findAll } from "./common.js";
import { keepFresh } from "./live.js";
import { Viewer } from "./viewer.js";

const place = find("[data-viewer]"); // not in the list, nor for a damaged run
const viewer = place && new Viewer(place);
const charts = findAll("[data-chart]").map((figure) => new Chart(figure));
let failed = false;

async function load() {
  if (!viewer) return;
  try {
    const run = await fetchRun(find("[data-api]").dataset.api);
    viewer.update(run.samples);
    for (const chart of charts) chart.update(run.curves);
    if (charts.some((chart) => !chart.figure.hidden)) find("[data-nothing]")?.remove();
    failed = false;
  } catch (error) {
    if (!failed) alarm(messageOf(error), { label: "Try again", act: load });
    failed = true;
  }
}

for (const button of findAll("[data-copy-command]")) {
  button.addEventListener("click", () => copyText(find("code", button.parentElement).textContent, "Command copied."));
}
load();
keepFresh(load);
