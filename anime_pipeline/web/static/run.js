// @ts-check
/** The page of one training run: sample viewer and curves, from the API; fresh while it trains. */

import { Chart } from "./chart.js";
import { messageOf, requestJson } from "./api.js";
import { keepFresh } from "./live.js";
import { alarm, copyText } from "./common.js";
import { Viewer } from "./viewer.js";

const region = document.querySelector("[data-live-region]");
const address = region instanceof HTMLElement ? region.dataset.api : undefined;
const viewerPlace = document.querySelector("[data-viewer]");
const viewer = viewerPlace instanceof HTMLElement ? new Viewer(viewerPlace) : null;
const charts = [...document.querySelectorAll("[data-chart]")].map(
  (figure) => new Chart(/** @type {HTMLElement} */ (figure)),
);
let failed = false;

async function load() {
  if (!address) return;
  try {
    const run = await requestJson(address);
    viewer?.update(run.samples);
    for (const chart of charts) chart.update(run.curves);
    if (charts.some((chart) => !chart.figure.hidden)) document.querySelector("[data-nothing]")?.remove();
    failed = false;
  } catch (error) {
    if (!failed) alarm(messageOf(error), { label: "Try again", act: load });
    failed = true;
  }
}

for (const button of document.querySelectorAll("[data-copy-command]")) {
  button.addEventListener("click", () => copyText(button.parentElement?.querySelector("code")?.textContent ?? "", "Command copied."));
}
if (viewer || charts.length) load();
keepFresh(load);
