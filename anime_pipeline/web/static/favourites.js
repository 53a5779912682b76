// @ts-check
/** The favourites: look, take out, choose two to blend, carry them to another browser. */

import { messageOf, requestJson } from "./api.js";
import { makeCard } from "./cards.js";
import { alarm, icon, make, saveBlob, toast } from "./common.js";
import { keyOf, readFace, readSeed, writeFace } from "./face.js";
import { favourites, storageWorks } from "./store.js";

/** @typedef {import("./face.js").Face} Face */
/** @param {string} selector @returns {any} */
const find = (selector) => document.querySelector(selector);

const FORMAT = "anime-pipeline favourites";
const wall = /** @type {HTMLUListElement} */ (find("[data-favourites]"));
/** @type {Face[]} */
let pair = [];
/** @type {Map<string, string>} weights served now, by model; "" is the default model */
let served = new Map();

/** A face as it can be drawn now. @param {Face} face @returns {Face} */
function drawable(face) {
  return { ...face, weights: served.get(face.model) ?? "" };
}

function draw() {
  const faces = favourites.all();
  const known = new Map([...wall.children].map((card) => [/** @type {HTMLElement} */ (card).dataset.key, card]));
  wall.replaceChildren(...faces.map((face) => known.get(keyOf(face)) ?? newCard(face)));
  find("[data-empty]").hidden = faces.length > 0;
  find("[data-export]").disabled = faces.length === 0;
  find("[data-no-storage]").hidden = storageWorks();
  find("[data-stale]").hidden = !faces.some(isStale);
  pair = pair.filter((face) => favourites.has(face));
  showPair(faces.length);
}

/** @param {Face} face */
function isStale(face) {
  const now = served.get(face.model);
  return Boolean(face.weights && now && !now.startsWith(face.weights));
}

/** @param {Face} face @returns {HTMLLIElement} */
function newCard(face) {
  const card = makeCard(drawable(face), "lazy");
  card.dataset.key = keyOf(face);
  const heart = card.querySelector(".heart");
  const label = `Take the face of seed ${face.seed} out of your favourites`;
  const bin = make("button", { type: "button", className: "face-tool", title: "Take out", "aria-label": label }, icon("bin"));
  heart?.replaceWith(bin);
  bin.addEventListener("click", () => takeOut(face, card));
  const box = make("input", { type: "checkbox", "aria-label": `Choose the face of seed ${face.seed} for blending` });
  box.addEventListener("change", () => choose(face, box.checked));
  card.append(make("label", { className: "face-check", title: "Choose for blending" }, box, icon("check")));
  return card;
}

/** @param {Face} face @param {HTMLElement} card */
function takeOut(face, card) {
  const before = favourites.all();
  const next = /** @type {HTMLElement|null} */ (card.nextElementSibling ?? card.previousElementSibling);
  favourites.remove(face);
  draw();
  (next?.querySelector("a") ?? find("[data-empty] a")).focus({ preventScroll: true });
  toast("Taken out of your favourites.", { label: "Undo", act: () => { favourites.replace(before); draw(); } });
}

/** @param {Face} face @param {boolean} wanted */
function choose(face, wanted) {
  pair = pair.filter((other) => keyOf(other) !== keyOf(face));
  if (wanted) pair = [...pair, face].slice(-2); // a third one takes the place of the first
  showPair(wall.children.length);
}

/** @param {number} count of favourites */
function showPair(count) {
  const keys = pair.map(keyOf);
  for (const card of /** @type {HTMLElement[]} */ ([...wall.children])) {
    const box = card.querySelector("input");
    if (box) box.checked = keys.includes(card.dataset.key ?? "");
  }
  find("[data-pair]").hidden = count < 2;
  find("[data-pair-clear]").hidden = pair.length === 0;
  find("[data-pair-go]").disabled = pair.length < 2;
  find("[data-pair-words]").textContent = ["Choose two faces to blend.", "Choose one more.", "Two faces chosen."][pair.length];
}

function exportAll() {
  const faces = favourites.all().map((face) => writeFace(face));
  const text = JSON.stringify({ format: FORMAT, version: 1, faces }, null, 2);
  saveBlob(new Blob([text], { type: "application/json" }), "anime-faces.json");
  toast(`${faces.length === 1 ? "One face" : `${faces.length} faces`} exported.`);
}

/** @param {File} file */
async function importFrom(file) {
  const before = favourites.all();
  try {
    const content = JSON.parse(await file.text());
    const queries = Array.isArray(content) ? content : content?.faces;
    const faces = (Array.isArray(queries) ? queries : []).filter(isFace).map(readFace);
    if (!faces.length) throw new SyntaxError("no faces in it");
    favourites.add(...faces);
  } catch (error) {
    console.debug("Import failed:", error);
    alarm(`${file.name} holds no favourites. Choose a file that this page has exported.`);
    return;
  }
  draw();
  const news = favourites.all().length - before.length;
  toast(news ? `${news === 1 ? "One face" : `${news} faces`} added.` : "You had all of these already.",
    { label: "Undo", act: () => { favourites.replace(before); draw(); } });
}

/** @param {unknown} query */
function isFace(query) {
  return typeof query === "string" && readSeed(new URLSearchParams(query).get("seed") ?? "") !== null;
}

async function start() {
  try {
    const answer = await requestJson("/api/v1/models");
    served = new Map(answer.models.map((/** @type {any} */ model) => [model.name, model.weights]));
    served.set("", served.get(answer.default) ?? "");
  } catch (error) {
    alarm(messageOf(error)); // the faces can be asked for without knowing the weights
  }
  draw();
}

find("[data-export]").addEventListener("click", exportAll);
find("[data-import]").addEventListener("click", () => find("[data-file]").click());
find("[data-file]").addEventListener("change", (/** @type {Event} */ event) => {
  const input = /** @type {HTMLInputElement} */ (event.target);
  if (input.files?.[0]) importFrom(input.files[0]);
  input.value = "";
});
find("[data-pair-clear]").addEventListener("click", () => { pair = []; showPair(wall.children.length); });
find("[data-pair-go]").addEventListener("click", () => {
  const [a, b] = pair.map((face) => writeFace(drawable(face)));
  location.assign(`/blend?${new URLSearchParams({ a, b })}`);
});
favourites.onChange(draw);
start();
