// @ts-check
/** The studio: one face, and all that can be changed about it. */

import { fetchFace, fetchPicture, imageUrl, messageOf } from "./backend.js";
import { makeCard, paintHeart, showCards, toggleHeart } from "./cards.js";
import { copyLink, debounce, find, newestOnly, onClick, say, setRange, showProblem } from "./common.js";
import {
  PLAIN, asServed, blendUrl, describe, fileName, isStale, keyOf, noteServed, randomSeed, readFace, readSeed, stepSeed, studioUrl,
} from "./face.js";
import { createNeighbours } from "./neighbours.js";
import { createPickers } from "./picker.js";
import { retryMissing, saveFrom } from "./pictures.js";
import { StudioState } from "./state.js";
import { favourites, recent } from "./store.js";

/** @typedef {import("./face.js").Face} Face */

const TYPING_MS = 2000; // who types a seed may look for the next key
const RECENT = 12;
const SEED_HINT = "The number that the face comes from. The same seed is always the same face.";
const SLIDERS = /** @type {const} */ (["truncation", "realism"]);
const frame = find("[data-portrait]");
const portrait = /** @type {HTMLImageElement} */ (find("img", frame));
const seedField = /** @type {HTMLInputElement} */ (find("#seed"));
const spreadField = /** @type {HTMLInputElement} */ (find("#spread"));
const modelField = /** @type {HTMLSelectElement|null} */ (find("#model"));
let view = 128;
/** @type {Partial<import("./backend.js").Shown>} what the server says of the face that is shown */
let shown = {};

noteServed(readFace(location.search).model, document.body.dataset.weights ?? "");
const pickers = createPickers((name, value) => state.change({ [name]: value }));
const neighbours = createNeighbours(find("[data-neighbours]"), (variation) =>
  state.change({ variation, strength: variation ? spreadField.valueAsNumber : 0 }));
const state = new StudioState(location.search, {
  attributes: [...pickers.keys()],
  onChange() {
    find("[data-stale]").hidden = true;
    showControls();
    refresh();
  },
  onSettle() {
    showWay();
    find("[data-status]").textContent = `${describe(state.face, shown)}.`;
  },
});

/** Show the newest face; while one is on its way, later ones wait, and only the last is asked for. */
const show = newestOnly(async (/** @type {Face} */ face, /** @type {number} */ size) => {
  frame.setAttribute("aria-busy", "true");
  try {
    const answer = await fetchFace(face, size, { onWait: () => { find("[data-wait]").hidden = false; } });
    const next = new Image();
    next.src = answer.image;
    await next.decode();
    shown = answer;
    portrait.src = answer.image;
    Object.assign(portrait.dataset, { seed: face.seed, size });
    portrait.classList.remove("absent");
    portrait.classList.toggle("pixels", size === 32);
    portrait.alt = describe(face, shown);
    for (const [name, picker] of pickers) picker.shown(answer[/** @type {keyof typeof answer} */ (name)] ?? "");
    showProblem("");
  } catch (error) {
    showProblem(messageOf(error));
  } finally {
    find("[data-wait]").hidden = true;
    frame.setAttribute("aria-busy", "false");
  }
});
const showLarge = debounce(() => { if (view === 512) show(state.face, view); }, 400);

/** Bring everything that shows the face in step with it, but for the controls. */
function refresh() {
  show(state.face, Math.min(view, 128));
  showLarge();
  neighbours.show(state.face, spreadField.valueAsNumber);
  showLinks();
}

function showLinks() {
  const { face } = state;
  document.title = `Face ${face.seed} · Anime faces`;
  find("[data-download]").href = imageUrl(face, view) || studioUrl(face);
  find("[data-download]").title = `Save as a PNG of ${view} × ${view} pixels`;
  find("[data-blend]").href = blendUrl(face);
  paintHeart(find("[data-heart]"), face);
}

/** Show which faces were before and after this one; the recent ones, if there are others. */
function showWay() {
  find("[data-undo]").disabled = !state.reaches(-1);
  find("[data-redo]").disabled = !state.reaches(1);
  const faces = recent.all().slice(0, RECENT);
  const strip = find("[data-recent-strip]");
  showCards(strip, faces, newRecent);
  for (const card of strip.children) {
    const here = card.dataset.key === keyOf(state.face);
    find("a", card).setAttribute("aria-current", String(here));
  }
  find("[data-recent]").hidden = faces.length < 2;
}

/** @param {Face} face */
function newRecent(face) {
  const card = makeCard(asServed(face), "lazy");
  find(".heart", card).remove();
  find("a", card).addEventListener("click", (/** @type {MouseEvent} */ event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return; // a tab of its own
    event.preventDefault();
    state.go(face);
  });
  return card;
}

/** Bring every control in step with the face. */
function showControls() {
  const { face } = state;
  if (document.activeElement !== seedField || readSeed(seedField.value) !== face.seed) seedField.value = face.seed;
  seedField.removeAttribute("aria-invalid");
  say(find("[data-seed-hint]"), SEED_HINT);
  for (const [name, picker] of pickers) picker.set(face[/** @type {"hair"} */ (name)]);
  for (const name of SLIDERS) showSlider(name, face[name]);
  showSlider("spread", face.strength || spreadField.valueAsNumber);
  if (modelField) modelField.value = face.model;
}

/** @param {string} name @param {number} value */
function showSlider(name, value) {
  const input = find(`#${name}`);
  if (!input) return; // realism, where no second network can be mixed
  setRange(input, value);
  find(`[data-output="${name}"]`).textContent = `${Math.round(value * 100)} %`;
}

/** A seed that is none: the face is again the one before the typing, as its link says. */
function refuseSeed() {
  state.revertSeed();
  refresh();
  seedField.setAttribute("aria-invalid", "true");
  say(find("[data-seed-hint]"), `A seed is a whole number from 0 to 9223372036854775807. The face is still that of seed ${state.face.seed}.`);
}

/** @param {string} seed @param {number} [settle_ms] */
function changeSeed(seed, settle_ms) {
  state.change({ seed, strength: 0, variation: 0 }, settle_ms);
}

function serveControls() {
  seedField.addEventListener("input", () => {
    const seed = readSeed(seedField.value);
    if (seed === null) refuseSeed();
    else changeSeed(seed, TYPING_MS);
  });
  seedField.addEventListener("change", () => state.settle()); // Enter too comes with it
  for (const by of [-1, 1]) onClick(`[data-step="${by}"]`, () => changeSeed(stepSeed(state.face.seed, by)));
  onClick("[data-dice]", () => changeSeed(randomSeed()));
  for (const name of SLIDERS) {
    const input = find(`#${name}`);
    input?.addEventListener("input", () => state.change({ [name]: input.valueAsNumber }));
  }
  spreadField.addEventListener("input", () => {
    if (state.face.strength) return state.change({ strength: spreadField.valueAsNumber });
    neighbours.show(state.face, spreadField.valueAsNumber);
    showSlider("spread", spreadField.valueAsNumber);
  });
  modelField?.addEventListener("change", () => state.go({ ...state.face, model: modelField.value }));
  onClick("[data-other-neighbours]", () => neighbours.others());
  onClick("[data-reset]", () => state.change({ ...PLAIN, seed: state.face.seed, model: state.face.model }));
  const form = find("[data-controls]");
  form.noValidate = true; // the hints below the fields say more than the browser's bubble
  form.addEventListener("submit", (/** @type {Event} */ event) => event.preventDefault());
}

function serveActions() {
  onClick("[data-heart]", () => toggleHeart(find("[data-heart]"), state.face));
  onClick("[data-copy]", () =>
    copyLink(studioUrl(state.face), "Link copied. It always leads to this face."));
  onClick("[data-download]", (event) => {
    event.preventDefault();
    const [face, size] = [state.face, view];
    saveFrom(find("[data-download]"), fileName(face, size), (patience) => fetchPicture(face, size, patience));
  });
  find(".sizes").addEventListener("change", (/** @type {Event} */ event) => {
    view = Number(/** @type {HTMLInputElement} */ (event.target).value);
    show(state.face, view);
    showLinks();
  });
  onClick("[data-retry]", () => { refresh(); retryMissing(); });
  onClick("[data-undo]", () => state.travel(-1));
  onClick("[data-redo]", () => state.travel(1));
  onClick("[data-forget]", () => { recent.replace([]); showWay(); });
  addEventListener("keydown", (event) => {
    const writes = event.target instanceof HTMLInputElement && event.target.matches(".input");
    if (writes || !(event.ctrlKey || event.metaKey)) return;
    const key = event.key.toLowerCase();
    if (key !== "z" && key !== "y") return;
    event.preventDefault();
    state.travel(key === "y" || event.shiftKey ? 1 : -1);
  });
  favourites.onChange(showLinks);
}

if (isStale(state.asked)) {
  find("[data-meant]").textContent = state.asked.weights;
  find("[data-stale]").hidden = false;
}
portrait.addEventListener("error", () => portrait.classList.add("absent"));
if (portrait.hasAttribute("src") && portrait.complete && !portrait.naturalWidth) portrait.classList.add("absent");
serveControls();
serveActions();
showControls();
refresh();
showWay();
