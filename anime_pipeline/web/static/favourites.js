// @ts-check
/** The favourites: look, take out, choose two to blend, carry them to another browser. */

import { learnServed, messageOf } from "./backend.js";
import { makeCard, showCards } from "./cards.js";
import { alarm, find, icon, make, onClick, onFile, saveBlob, toast } from "./common.js";
import { asServed, blendUrl, faceQuery, isStale, keyOf, readFace, readSeed } from "./face.js";
import { favourites, storageWorks } from "./store.js";

/** @typedef {import("./face.js").Face} Face */

const FORMAT = "anime-pipeline favourites";
const PAIR_WORDS = ["Choose two faces to blend.", "Choose one more.", "Two faces chosen."];
const wall = /** @type {HTMLUListElement} */ (find("[data-favourites]"));
/** @type {Face[]} */
let pair = [];

function show() {
  const faces = favourites.all();
  showCards(wall, faces, newCard);
  find("[data-empty]").hidden = faces.length > 0;
  find("[data-export]").disabled = faces.length === 0;
  find("[data-no-storage]").hidden = storageWorks();
  find("[data-stale]").hidden = !faces.some(isStale);
  find("[data-pair]").hidden = faces.length < 2;
  showPair(pair.filter((face) => favourites.has(face)));
}

/** @param {Face} face @returns {HTMLLIElement} */
function newCard(face) {
  const card = makeCard(asServed(face), "lazy");
  const label = `Take the face of seed ${face.seed} out of your favourites`;
  const onclick = () => takeOut(face, card);
  find(".heart", card).replaceWith(
    make("button", { type: "button", className: "face-tool", title: "Take out", "aria-label": label, onclick }, icon("bin")));
  const box = make("input", { type: "checkbox", "aria-label": `Choose the face of seed ${face.seed} for blending` });
  box.addEventListener("change", () => {
    const others = pair.filter((other) => keyOf(other) !== keyOf(face));
    showPair(box.checked ? [...others, face].slice(-2) : others); // a third one takes the place of the first
  });
  card.append(make("label", { className: "face-check", title: "Choose for blending" }, box, icon("check")));
  return card;
}

/** @param {Face} face @param {HTMLElement} card */
function takeOut(face, card) {
  const undo = undoable();
  const next = card.nextElementSibling ?? card.previousElementSibling;
  favourites.remove(face);
  show();
  find("a", next ?? find("[data-empty]")).focus({ preventScroll: true });
  toast("Taken out of your favourites.", undo);
}

/** What brings back the favourites of now. */
function undoable() {
  const before = favourites.all();
  return { label: "Undo", act: () => { favourites.replace(before); show(); } };
}

/** @param {Face[]} chosen */
function showPair(chosen) {
  pair = chosen;
  const keys = pair.map(keyOf);
  for (const card of /** @type {HTMLElement[]} */ ([...wall.children])) {
    find("input", card).checked = keys.includes(card.dataset.key ?? "");
  }
  find("[data-pair-clear]").hidden = pair.length === 0;
  find("[data-pair-go]").disabled = pair.length < 2;
  find("[data-pair-words]").textContent = PAIR_WORDS[pair.length];
}

/** @param {number} count */
function counted(count) {
  return count === 1 ? "One face" : `${count} faces`;
}

function exportAll() {
  const faces = favourites.all().map((face) => faceQuery(face));
  const text = JSON.stringify({ format: FORMAT, version: 1, faces }, null, 2);
  saveBlob(new Blob([text], { type: "application/json" }), "anime-faces.json");
  toast(`${counted(faces.length)} exported.`);
}

/** @param {File} file */
async function importFrom(file) {
  const undo = undoable();
  const before = favourites.all().length;
  try {
    const content = JSON.parse(await file.text());
    const faces = (content.faces ?? content).filter(isFace).map(readFace);
    if (!faces.length) throw new SyntaxError("no faces in it");
    favourites.add(...faces);
  } catch (error) {
    console.debug("Import failed:", error);
    alarm(`${file.name} holds no favourites. Choose a file that this page has exported.`);
    return;
  }
  show();
  const fresh = favourites.all().length - before;
  toast(fresh ? `${counted(fresh)} added.` : "You had all of these already.", undo);
}

/** @param {unknown} query */
function isFace(query) {
  return typeof query === "string" && readSeed(new URLSearchParams(query).get("seed") ?? "") !== null;
}

onClick("[data-export]", exportAll);
onClick("[data-import]", () => find("[data-file]").click());
onFile(find("[data-file]"), importFrom);
onClick("[data-pair-clear]", () => showPair([]));
onClick("[data-pair-go]", () => location.assign(blendUrl(asServed(pair[0]), asServed(pair[1]))));
favourites.onChange(show);
// The faces can be asked for without knowing the weights, too.
learnServed().catch((error) => alarm(messageOf(error))).finally(show);
