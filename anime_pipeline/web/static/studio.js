// @ts-check
/** The studio: one face, and all that can be changed about it. */

import { RequestError, messageOf, newestOnly, request, requestJson } from "./api.js";
import { onMissing, paintHeart, retryMissing, toggleHeart } from "./cards.js";
import { alarm, copyText, paintRange, saveBlob, settled, toast } from "./common.js";
import { PLAIN, WISHES, describe, diceSeed, fileName, imageUrl, keyOf, readFace, readSeed, stepSeed, writeFace } from "./face.js";
import { createNeighbours } from "./neighbours.js";
import { showRecent } from "./recent.js";
import { favourites, recent } from "./store.js";
import { createWordPicker } from "./swatches.js";
import { createTrail } from "./trail.js";
import { createPicker } from "./wheel.js";

/** @typedef {import("./face.js").Face} Face */
/** @param {string} selector @returns {any} */
const find = (selector) => document.querySelector(selector);

const SETTLE_MS = 500; // a change that lasts this long is worth remembering
const TYPING_MS = 2000; // who types a seed may look for the next key
const SEED_HINT = "The number that the face comes from. The same seed is always the same face.";
const SLIDERS = /** @type {const} */ (["truncation", "realism"]);
const frame = /** @type {HTMLElement} */ (find("[data-portrait]"));
const portrait = /** @type {HTMLImageElement} */ (find("[data-portrait] img"));
const busy = /** @type {HTMLElement} */ (find("[data-busy]"));
const seedField = /** @type {HTMLInputElement} */ (find("#seed"));
const spreadField = /** @type {HTMLInputElement} */ (find("#spread"));
const modelField = /** @type {HTMLSelectElement|null} */ (find("#model"));

/** @type {Face} weights are left out: what is drawn here is always by the served ones */
let face = { ...readFace(location.search), weights: "" };
/** @type {Map<string, string>} weights that draw here, by model; "" is the default model */
const served = new Map([[face.model, find("[data-studio]").dataset.weights || ""]]);
let view = 128;
/** @type {{hair?: string, skin?: string, eyes?: string}} */
let shown = {};
/** @type {ReturnType<typeof setTimeout>|undefined} while a change waits to be remembered */
let waiting;

const withWeights = () => ({ ...face, weights: served.get(face.model) ?? "" });
const trail = createTrail(writeFace(face));
const pickers = new Map([...document.querySelectorAll("[data-picker]")].map((root) => {
  const place = /** @type {HTMLElement} */ (root);
  const part = place.dataset.picker ?? "";
  const create = place.querySelector("[data-wheel]") ? createPicker : createWordPicker;
  return [part, create(place, (value) => change({ [part]: value }))];
}));
const neighbours = createNeighbours(find("[data-neighbours]"), (variation) =>
  change({ variation, strength: variation ? Number(spreadField.value) : 0 }));

/** Draw the newest face; while one is on its way, later ones wait, and only the last is drawn. */
const draw = newestOnly(async (/** @type {{face: Face, size: number}} */ wanted) => {
  const late = setTimeout(() => { busy.hidden = false; }, 250);
  frame.setAttribute("aria-busy", "true");
  try {
    const query = writeFace(wanted.face, { size: wanted.size });
    const answer = await requestJson(`/api/v1/generate?${query}`, {
      onWait: () => { find("[data-wait]").hidden = false; },
    });
    served.set(wanted.face.model, answer.weights);
    await display(answer.faces[0], wanted);
    problem("");
  } catch (error) {
    // Another server has taken over with other weights: what it draws is still worth seeing.
    if (error instanceof RequestError && error.status === 409) {
      served.delete(wanted.face.model);
      draw({ face: { ...wanted.face, weights: "" }, size: wanted.size });
    } else problem(messageOf(error));
  } finally {
    clearTimeout(late);
    busy.hidden = true;
    find("[data-wait]").hidden = true;
    frame.setAttribute("aria-busy", "false");
  }
});
const drawLarge = settled(() => { if (view === 512) draw({ face: withWeights(), size: 512 }); }, 400);

/** @param {any} answer one of `faces` @param {{face: Face, size: number}} wanted */
async function display(answer, wanted) {
  const next = new Image();
  next.src = answer.image;
  await next.decode();
  portrait.src = answer.image;
  portrait.classList.remove("absent");
  portrait.classList.toggle("pixels", wanted.size === 32);
  shown = { hair: answer.hair, skin: answer.skin, eyes: answer.eyes };
  portrait.alt = describe(wanted.face, shown);
  for (const part of WISHES) pickers.get(part)?.shown(answer[part] ?? "");
}

/** @param {string} words nothing when all is well */
function problem(words) {
  find("[data-problem]").hidden = !words;
  find("[data-problem-words]").textContent = words;
}

/**
 * Change the face, and everything that shows it.
 * @param {Partial<Face>} patch
 * @param {number} [settle_ms] after how long it is worth a step on the trail
 */
function change(patch, settle_ms = SETTLE_MS) {
  face = { ...face, ...patch };
  find("[data-stale]").hidden = true;
  showControls();
  refresh();
  clearTimeout(waiting);
  waiting = setTimeout(remember, settle_ms);
}

function refresh() {
  draw({ face: withWeights(), size: view === 32 ? 32 : 128 });
  drawLarge();
  neighbours.show(withWeights(), Number(spreadField.value));
  updateLinks();
}

function updateLinks() {
  const whole = withWeights();
  document.title = `Face ${face.seed} · Anime faces`;
  find("[data-download]").href = imageUrl(whole, view);
  find("[data-download]").title = `Save as a PNG of ${view} × ${view} pixels`;
  find("[data-blend]").href = `/blend?${new URLSearchParams({ a: writeFace(whole) })}`;
  paintHeart(find("[data-heart]"), whole, favourites.has(whole));
}

function remember() {
  clearTimeout(waiting);
  waiting = undefined;
  history.replaceState(null, "", `/studio?${writeFace(withWeights())}`);
  trail.push(writeFace(face));
  keep();
  find("[data-status]").textContent = `${describe(face, shown)}.`;
}

/** Note where we are among the recent faces, and paint what depends on the trail. */
function keep() {
  recent.add(withWeights());
  find("[data-undo]").disabled = !trail.canUndo;
  find("[data-redo]").disabled = !trail.canRedo;
  drawRecent();
}

function drawRecent() {
  showRecent(find("[data-recent]"), keyOf(face), served.get("") ?? "", (other) => change({ ...other, weights: "" }));
}

/** Bring every control in step with the face. */
function showControls() {
  if (document.activeElement !== seedField || readSeed(seedField.value) !== face.seed) seedField.value = face.seed;
  seedField.removeAttribute("aria-invalid");
  hint(SEED_HINT);
  for (const [part, picker] of pickers) picker.set(face[/** @type {typeof WISHES[number]} */ (part)]);
  for (const name of SLIDERS) setSlider(find(`#${name}`), face[name]);
  if (face.strength) setSlider(spreadField, face.strength);
  if (modelField) modelField.value = face.model;
  showOutputs();
}

/** @param {HTMLInputElement|null} input @param {number} value */
function setSlider(input, value) {
  if (!input) return;
  if (Number(input.value) !== value) input.value = String(value);
  paintRange(input);
}

function showOutputs() {
  for (const name of ["truncation", "realism", "spread"]) {
    const output = find(`[data-output="${name}"]`);
    if (output) output.textContent = `${Math.round(Number(find(`#${name}`).value) * 100)} %`;
  }
}

/** @param {-1|1} by */
function travel(by) {
  if (waiting) remember(); // or the newest change would be lost, or taken for a step back
  const state = trail.move(by);
  if (state === null) return;
  const other = readFace(state);
  if (other.model === face.model) change(other);
  else visit(other);
}

/**
 * Go to a face of another model: it may know other wishes, and these controls are the server's to
 * give. Undo goes on there.
 * @param {Face} other
 */
function visit(other) {
  trail.save();
  location.assign(`/studio?${writeFace(other)}`);
}

/** A seed that is none: the face is again the one before the typing, as its link says. */
function refuseSeed() {
  const { seed, variation, strength } = readFace(trail.now);
  face = { ...face, seed, variation, strength };
  refresh();
  seedField.setAttribute("aria-invalid", "true");
  hint(`A seed is a whole number from 0 to 9223372036854775807. The face is still that of seed ${face.seed}.`);
}

/** @param {string} words below the seed; written only when they differ: each change is read out */
function hint(words) {
  const place = find("[data-seed-hint]");
  if (place.textContent !== words) place.textContent = words;
}

function serveSeed() {
  seedField.addEventListener("input", () => {
    const seed = readSeed(seedField.value);
    if (seed === null) refuseSeed();
    else change({ seed, strength: 0, variation: 0 }, TYPING_MS);
  });
  // Enter too: a field's change event comes with it.
  seedField.addEventListener("change", () => { if (waiting) remember(); });
  for (const button of document.querySelectorAll("[data-step]")) {
    button.addEventListener("click", () => {
      const by = BigInt(/** @type {HTMLElement} */ (button).dataset.step ?? "1");
      change({ seed: stepSeed(face.seed, by), strength: 0, variation: 0 });
    });
  }
  find("[data-dice]").addEventListener("click", () => change({ seed: diceSeed(), strength: 0, variation: 0 }));
}

function serveSliders() {
  for (const name of SLIDERS) {
    find(`#${name}`)?.addEventListener("input", (/** @type {Event} */ event) => {
      change({ [name]: Number(/** @type {HTMLInputElement} */ (event.target).value) });
    });
  }
  spreadField.addEventListener("input", () => {
    if (face.strength) change({ strength: Number(spreadField.value) });
    else neighbours.show(withWeights(), Number(spreadField.value));
    showOutputs();
  });
  modelField?.addEventListener("change", () => {
    if (waiting) remember();
    const other = { ...face, model: modelField.value };
    trail.push(writeFace(other));
    visit(other);
  });
  find("[data-other-neighbours]").addEventListener("click", () => neighbours.others());
  find("[data-reset]").addEventListener("click", () => change({ ...PLAIN, seed: face.seed, model: face.model }));
}

function serveActions() {
  find("[data-heart]").addEventListener("click", () => toggleHeart(find("[data-heart]"), withWeights()));
  find("[data-copy]").addEventListener("click", () =>
    copyText(`${location.origin}/studio?${writeFace(withWeights())}`, "Link copied. It always leads to this face."));
  find("[data-download]").addEventListener("click", async (/** @type {Event} */ event) => {
    event.preventDefault();
    try {
      const response = await request(imageUrl(withWeights(), view), { onWait: () => toast("The server is busy; one moment.") });
      saveBlob(await response.blob(), fileName(face, view));
    } catch (error) {
      alarm(messageOf(error), { label: "Try again", act: () => find("[data-download]").click() });
    }
  });
  for (const radio of document.querySelectorAll("input[name=view]")) {
    radio.addEventListener("change", () => {
      view = Number(/** @type {HTMLInputElement} */ (radio).value);
      draw({ face: withWeights(), size: view });
      updateLinks();
    });
  }
  find("[data-retry]").addEventListener("click", () => { refresh(); retryMissing(); });
  find("[data-undo]").addEventListener("click", () => travel(-1));
  find("[data-redo]").addEventListener("click", () => travel(1));
  find("[data-forget]").addEventListener("click", () => { recent.replace([]); drawRecent(); });
  addEventListener("keydown", (event) => {
    const writes = event.target instanceof HTMLInputElement && event.target.matches(".input");
    if (writes || !(event.ctrlKey || event.metaKey)) return;
    const key = event.key.toLowerCase();
    if (key === "z") travel(event.shiftKey ? 1 : -1);
    else if (key === "y") travel(1);
    else return;
    event.preventDefault();
  });
  const form = /** @type {HTMLFormElement} */ (find("[data-controls]"));
  form.noValidate = true; // the hints below the fields say more than the browser's bubble
  form.addEventListener("submit", (event) => event.preventDefault());
  favourites.onChange(updateLinks);
}

for (const part of WISHES) {
  if (!pickers.has(part)) face[part] = ""; // a wish that this model knows nothing of
}
onMissing(problem); // neighbours that did not come share the face's message
portrait.addEventListener("error", () => portrait.classList.add("absent"));
if (portrait.complete && !portrait.naturalWidth) portrait.classList.add("absent");
serveSeed();
serveSliders();
serveActions();
showControls();
refresh();
keep();
