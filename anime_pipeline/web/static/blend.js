// @ts-check
/** Blending: all frames between two faces are fetched at once, so that the slider never waits. */

import { fetchBlend, fetchFilm, isAbort, messageOf } from "./backend.js";
import { copyLink, find, findAll, onClick, save, setRange, showProblem } from "./common.js";
import { PLAIN, asServed, blendUrl, describe, isStale, keyOf, noteServed, randomSeed, readFace } from "./face.js";
import { createFaceDialog } from "./face_dialog.js";
import { retryMissing, saveFrom, showFace } from "./pictures.js";
import { createPlayer } from "./player.js";
import { favourites, recent } from "./store.js";

/** @typedef {import("./face.js").Face} Face */

const STEPS = 24;
const FRAME_MS = 80;
const GIF_FPS = 12;
const WORDS = ["From", "To"];
const address = new URLSearchParams(location.search);
const portrait = find("[data-portrait]");
const frameImage = /** @type {HTMLImageElement} */ (find("[data-frame]"));
const slider = /** @type {HTMLInputElement} */ (find("#position"));
const openDialog = createFaceDialog(find("[data-dialog]"));
const calm = matchMedia("(prefers-reduced-motion: reduce)");
const player = createPlayer(find("[data-play]"), step, () => (calm.matches ? FRAME_MS * 5 : FRAME_MS));

/** The faces that the address names. */
const named = ["a", "b"].map((end) => {
  const query = address.get(end) ?? "";
  // Written by hand it may be a seed alone.
  return query ? readFace(/^\d+$/.test(query) ? `seed=${query}` : query) : null;
});
let ends = startingPair();
/** @type {HTMLImageElement[]} all the way; kept, so that they stay decoded */
let frames = [];
let control = new AbortController();
let direction = 1;

/** The faces that the address names; else favourites, recent ones, or strangers. @returns {Face[]} */
function startingPair() {
  const taken = named.map((face) => face && keyOf(face));
  const spare = [...favourites.all(), ...recent.all()].filter((face) => !taken.includes(keyOf(face)));
  return named.map((face) => face ?? spare.shift() ?? { ...PLAIN, seed: randomSeed() });
}

async function load() {
  control.abort();
  control = new AbortController();
  const { signal } = control;
  player.stop();
  setReady(false);
  // All pictures of a blend are drawn in one manner: that of the first face.
  const { truncation, realism, model } = ends[0];
  ends = [ends[0], { ...ends[1], truncation, realism, model }];
  showEnds();
  history.replaceState(null, "", pageUrl());
  try {
    const sources = await fetchBlend(ends, STEPS, { signal });
    const images = sources.map((src) => Object.assign(new Image(), { src }));
    await Promise.all(images.map((image) => image.decode()));
    if (signal.aborted) return;
    frames = images;
    slider.max = String(frames.length - 1);
    setReady(true);
    showFrame(Math.floor(frames.length / 2));
    find("[data-status]").textContent = `${frames.length} faces ${journeyWords()} are ready.`;
  } catch (error) {
    if (isAbort(error)) return;
    portrait.setAttribute("aria-busy", "false");
    showProblem(messageOf(error));
  }
}

/** @param {boolean} ready */
function setReady(ready) {
  for (const control of findAll("[data-play], [data-save], [data-gif], #position")) control.disabled = !ready;
  portrait.setAttribute("aria-busy", String(!ready));
  showProblem("");
}

function showEnds() {
  findAll("[data-end]").forEach((section, index) => {
    const face = asServed(ends[index]);
    const image = find("img", section);
    showFace(image, face, "");
    image.parentElement.setAttribute("aria-label", `${WORDS[index]}: ${describe(face)}. Choose another`);
    find("[data-words]", section).textContent = `seed ${face.seed}`;
  });
}

/** @param {number} index */
function showFrame(index) {
  const share = Math.round((index / Math.max(1, frames.length - 1)) * 100);
  frameImage.src = frames[index].src;
  frameImage.alt = `${share} % of the way ${journeyWords()}`;
  frameImage.hidden = false;
  setRange(slider, index, `${share} % of the way`);
}

function journeyWords() {
  return `from seed ${ends[0].seed} to seed ${ends[1].seed}`;
}

/** Play on, there and back again. */
function step() {
  const next = slider.valueAsNumber + direction;
  if (!(next in frames)) direction = -direction;
  showFrame(slider.valueAsNumber + direction);
  return true;
}

function pageUrl() {
  return blendUrl(asServed(ends[0]), asServed(ends[1]));
}

/** @param {string} ending */
function fileName(ending) {
  return `blend-${ends[0].seed}-${ends[1].seed}${ending}`;
}

/** @param {Face[]} faces */
function setEnds(faces) {
  ends = faces;
  find("[data-stale]").hidden = true;
  load();
}

findAll("[data-end]").forEach((section, index) => {
  const replace = (/** @type {Face} */ face) => setEnds(ends.map((old, at) => (at === index ? face : old)));
  onClick("[data-choose]", () => openDialog(replace), section);
  onClick("[data-dice]", () => replace({ ...PLAIN, seed: randomSeed() }), section);
});
slider.addEventListener("input", () => { player.stop(); showFrame(slider.valueAsNumber); });
onClick("[data-swap]", () => { ends = [ends[1], ends[0]]; load(); });
onClick("[data-save]", () => save(frames[slider.valueAsNumber].src, fileName(`-${slider.value}.png`)));
onClick("[data-gif]", () =>
  saveFrom(find("[data-gif]"), fileName(".gif"), (patience) => fetchFilm(ends, STEPS, GIF_FPS, patience)));
onClick("[data-copy]", () => copyLink(pageUrl(), "Link copied."));
onClick("[data-retry]", () => { load(); retryMissing(); });
noteServed("", document.body.dataset.weights ?? "");
find("[data-stale]").hidden = !named.some((face) => face && isStale(face));
load();
