// @ts-check
/** Blending: all frames between two faces are fetched at once, so that the slider never waits. */

import { isAbort, messageOf, request } from "./api.js";
import { showImage, watchImage } from "./cards.js";
import { alarm, blobOfData, copyText, icon, paintRange, saveBlob, toast, wantsCalm } from "./common.js";
import { PLAIN, describe, diceSeed, imageUrl, jsonOf, keyOf, lookOf, readFace, writeFace } from "./face.js";
import { createFacePicker } from "./picker.js";
import { favourites, recent } from "./store.js";

/** @typedef {import("./face.js").Face} Face */
/** @typedef {"a"|"b"} Side */
/** @param {string} selector @returns {any} */
const find = (selector) => document.querySelector(selector);

const FRAMES = 25;
const FRAME_MS = 80;
const GIF_FPS = 12;
const page = /** @type {HTMLElement} */ (find("[data-blend]"));
const frameImage = /** @type {HTMLImageElement} */ (find("[data-frame]"));
const slider = /** @type {HTMLInputElement} */ (find("#position"));
const openPicker = createFacePicker(find("[data-picker]"));

const served = page.dataset.weights || "";

/** @type {string[]} data: addresses */
let frames = [];
/** @type {HTMLImageElement[]} kept, so that they stay decoded */
let decoded = [];
let control = new AbortController();
let playing = 0;
let direction = 1;

const [first, second] = startingPair();
/** @type {Record<Side, Face>} */
const ends = { a: first, b: second };

/** The faces that the address names; else favourites, recent ones, or strangers. @returns {Face[]} */
function startingPair() {
  const named = [page.dataset.a, page.dataset.b].map((query) => (query ? readFace(query) : null));
  const taken = new Set(named.map((face) => face && keyOf(face)));
  const spare = [...favourites.all(), ...recent.all()].filter((face) => !taken.has(keyOf(face)));
  return named.map((face) => ({ ...(face ?? spare.shift() ?? { ...PLAIN, seed: diceSeed() }), weights: "" }));
}

/** A face with the weights that draw it here, as far as the page knows them. @param {Face} face */
function withWeights(face) {
  return { ...face, weights: face.model ? "" : served };
}

/** Tell whether a link means weights that are not served. @returns {boolean} */
function isStale() {
  return [page.dataset.a, page.dataset.b].some((query) => {
    const face = readFace(query ?? "");
    return Boolean(face.weights && served && !face.model && !served.startsWith(face.weights));
  });
}

/** What the server is asked for. */
function journey() {
  const { truncation, realism, model } = ends.a;
  return {
    stops: [ends.a, ends.b].map((face) => ({ seed: face.seed, ...lookOf(face) })),
    truncation, realism, ...(model ? { model } : {}), size: 128,
  };
}

async function load() {
  control.abort();
  control = new AbortController();
  const { signal } = control;
  stop();
  setReady(false);
  // All pictures of a journey are drawn in one manner: that of the first face.
  const { truncation, realism, model } = ends.a;
  ends.b = { ...ends.b, truncation, realism, model };
  showEnds();
  history.replaceState(null, "", pageUrl());
  try {
    const response = await request("/api/v1/interpolate", {
      method: "POST", signal, body: jsonOf({ ...journey(), frames: FRAMES - 1 }),
      headers: { "Content-Type": "application/json", Accept: "application/json" },
    });
    const answer = await response.json();
    const images = answer.frames.map((/** @type {string} */ source) => Object.assign(new Image(), { src: source }));
    await Promise.all(images.map((/** @type {HTMLImageElement} */ image) => image.decode()));
    if (signal.aborted) return;
    frames = answer.frames;
    decoded = images;
    slider.max = String(frames.length - 1);
    slider.value = String(Math.floor(frames.length / 2));
    setReady(true);
    showFrame();
    find("[data-status]").textContent = `${frames.length} faces from seed ${ends.a.seed} to seed ${ends.b.seed} are ready.`;
  } catch (error) {
    if (isAbort(error)) return;
    find("[data-wait]").hidden = true;
    find("[data-portrait]").setAttribute("aria-busy", "false");
    find("[data-problem]").hidden = false;
    find("[data-problem-words]").textContent = messageOf(error);
  }
}

/** @param {boolean} ready */
function setReady(ready) {
  for (const name of ["play", "save", "gif"]) find(`[data-${name}]`).disabled = !ready;
  slider.disabled = !ready;
  find("[data-wait]").hidden = ready;
  find("[data-portrait]").setAttribute("aria-busy", String(!ready));
  find("[data-problem]").hidden = true;
  if (ready) frameImage.hidden = false;
}

function showEnds() {
  for (const side of /** @type {Side[]} */ (["a", "b"])) {
    const section = find(`[data-end=${side}]`);
    const image = section.querySelector("img");
    const words = side === "a" ? "From" : "To";
    image.closest("button").setAttribute("aria-label", `${words}: ${describe(ends[side])}. Choose another`);
    showImage(image, imageUrl(withWeights(ends[side])));
    section.querySelector("[data-words]").textContent = `seed ${ends[side].seed}`;
  }
}

function showFrame() {
  const index = Number(slider.value);
  const share = Math.round((index / Math.max(1, frames.length - 1)) * 100);
  frameImage.src = decoded[index].src;
  frameImage.alt = `${share} % of the way from seed ${ends.a.seed} to seed ${ends.b.seed}`;
  slider.setAttribute("aria-valuetext", `${share} % of the way`);
  paintRange(slider);
}

function stop() {
  clearInterval(playing);
  playing = 0;
  showPlay();
}

function play() {
  const pace_ms = wantsCalm() ? FRAME_MS * 5 : FRAME_MS;
  playing = window.setInterval(() => {
    const last = frames.length - 1;
    const at = Number(slider.value);
    if (at + direction > last || at + direction < 0) direction = -direction;
    slider.value = String(at + direction);
    showFrame();
  }, pace_ms);
  showPlay();
}

function showPlay() {
  const button = find("[data-play]");
  button.setAttribute("aria-pressed", String(Boolean(playing)));
  button.replaceChildren(icon(playing ? "pause" : "play"));
}

function pageUrl() {
  return `/blend?${new URLSearchParams({ a: writeFace(withWeights(ends.a)), b: writeFace(withWeights(ends.b)) })}`;
}

async function saveGif() {
  const button = find("[data-gif]");
  button.disabled = true;
  try {
    const response = await request("/api/v1/interpolate", {
      method: "POST", body: jsonOf({ ...journey(), frames: FRAMES - 1, loop: true, fps: GIF_FPS }),
      headers: { "Content-Type": "application/json", Accept: "image/gif" },
      onWait: () => toast("The server is busy; one moment."),
    });
    saveBlob(await response.blob(), `blend-${ends.a.seed}-${ends.b.seed}.gif`);
  } catch (error) {
    alarm(messageOf(error), { label: "Try again", act: saveGif });
  } finally {
    button.disabled = false;
  }
}

/** @param {Side} side @param {Face} face */
function setEnd(side, face) {
  ends[side] = { ...face, weights: "" };
  find("[data-stale]").hidden = true;
  load();
}

for (const side of /** @type {Side[]} */ (["a", "b"])) {
  const section = find(`[data-end=${side}]`);
  watchImage(section.querySelector("img"));
  for (const button of section.querySelectorAll("[data-choose]")) {
    button.addEventListener("click", () => openPicker((face) => setEnd(side, face)));
  }
  section.querySelector("[data-dice]").addEventListener("click", () => setEnd(side, { ...PLAIN, seed: diceSeed() }));
}
slider.addEventListener("input", () => { stop(); showFrame(); });
find("[data-play]").addEventListener("click", () => (playing ? stop() : play()));
find("[data-swap]").addEventListener("click", () => {
  [ends.a, ends.b] = [ends.b, ends.a];
  load();
});
find("[data-save]").addEventListener("click", () => {
  const index = Number(slider.value);
  saveBlob(blobOfData(frames[index]), `blend-${ends.a.seed}-${ends.b.seed}-${index}.png`);
});
find("[data-gif]").addEventListener("click", saveGif);
find("[data-copy]").addEventListener("click", () => copyText(`${location.origin}${pageUrl()}`, "Link copied."));
find("[data-retry]").addEventListener("click", load);
find("[data-stale]").hidden = !isStale();
load();
