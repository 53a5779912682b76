// @ts-check
/** The wall: new faces, more faces, one wish for all of them. */

import { fillCard, makeCard, onMissing, paintHeart, retryMissing, serveHearts, watchImage } from "./cards.js";
import { settled } from "./common.js";
import { PLAIN, WISHES, describe, diceSeed, lookInWords, readFace, readSeed, stepSeed } from "./face.js";
import { favourites } from "./store.js";
import { nameWhatIsPointedAt } from "./swatches.js";

/** @typedef {import("./face.js").Face} Face */

const PAGE = 24;
const ROUNDS_BY_SCROLLING = 3; // then the foot of the page can be reached again

const wall = /** @type {HTMLUListElement} */ (document.querySelector("[data-wall]"));
const form = /** @type {HTMLFormElement|null} */ (document.querySelector("[data-wishes]"));
const status = /** @type {HTMLElement} */ (document.querySelector("[data-status]"));
const more = /** @type {HTMLAnchorElement} */ (document.querySelector("[data-more]"));
const served = wall.dataset.weights
  || new URLSearchParams(wall.querySelector("img")?.getAttribute("src")?.split("?")[1]).get("weights") || "";

const missing = /** @type {HTMLElement} */ (document.querySelector("[data-missing]"));
const missingWords = /** @type {HTMLElement} */ (document.querySelector("[data-missing-words]"));

let start = wall.dataset.start || "0";
let rounds = 0;

/** What is wished for now. @returns {Pick<Face, "hair"|"skin"|"eyes"|"length">} */
function wishes() {
  const values = form ? new FormData(form) : new FormData();
  const [hair, skin, eyes, length] = WISHES.map((name) => String(values.get(name) ?? ""));
  return { hair, skin, eyes, length };
}

/** @param {string} seed @returns {Face} */
function faceOf(seed) {
  return { ...PLAIN, ...wishes(), seed, weights: served };
}

/** @param {HTMLElement} card */
function faceOfCard(card) {
  return faceOf(card.dataset.seed || "0");
}

/** Write the names of the chosen colours beside their discs. */
function nameWishes() {
  for (const [part, value] of Object.entries(wishes())) {
    const place = form?.querySelector(`[data-part="${part}"] [data-swatch-now]`);
    if (place) place.textContent = value;
  }
}

function pageUrl() {
  const values = new URLSearchParams({ start });
  for (const [name, value] of Object.entries(wishes())) if (value) values.set(name, value);
  return `/?${values}`;
}

/** Draw the wall anew from `start`, with as many cards as one page has. */
function redraw() {
  const cards = /** @type {HTMLElement[]} */ ([...wall.children]);
  missing.hidden = true;
  for (const card of cards.slice(PAGE)) card.remove();
  cards.slice(0, PAGE).forEach((card, index) => fillCard(card, faceOf(stepSeed(start, BigInt(index)))));
  rounds = 0;
  status.textContent = `${Math.min(cards.length, PAGE)} faces from seed ${start}.`;
  updateMore();
}

/** The wishes changed: the same seeds with others, however many are shown. */
function recolour() {
  nameWishes();
  for (const card of /** @type {HTMLElement[]} */ ([...wall.children])) fillCard(card, faceOfCard(card));
  const look = lookInWords(wishes());
  status.textContent = `The wall is drawn again${look ? `, with ${look}` : ""}.`;
  history.replaceState(null, "", pageUrl());
  updateMore();
}

/** @param {boolean} moveFocus to the first new face, for who pressed a key */
function append(moveFocus) {
  const first = BigInt(wall.children.length);
  const cards = Array.from({ length: PAGE }, (_, index) => makeCard(faceOf(stepSeed(start, first + BigInt(index)))));
  wall.append(...cards);
  status.textContent = `${PAGE} more faces.`;
  if (moveFocus) cards[0].querySelector("a")?.focus({ preventScroll: true });
  updateMore();
}

function updateMore() {
  const next = stepSeed(start, BigInt(wall.children.length));
  more.href = pageUrl().replace(/start=\d+/, `start=${next}`);
}

function readAddress() {
  const values = new URLSearchParams(location.search);
  const look = readFace(location.search);
  start = readSeed(values.get("start") ?? "") ?? start;
  for (const name of WISHES) {
    const input = form?.querySelector(`input[name="${name}"][value="${look[name]}"]`);
    if (input instanceof HTMLInputElement) input.checked = true;
  }
  nameWishes();
}

onMissing((words) => {
  missing.hidden = false;
  if (missingWords.textContent !== words) missingWords.textContent = words; // each change is read out
});
document.querySelector("[data-missing-again]")?.addEventListener("click", () => {
  missing.hidden = true;
  retryMissing();
});
for (const card of /** @type {HTMLElement[]} */ ([...wall.children])) {
  const image = card.querySelector("img");
  const heart = card.querySelector(".heart");
  if (image) {
    image.dataset.url = image.getAttribute("src") ?? "";
    image.alt = describe(faceOfCard(card));
    watchImage(image);
  }
  if (heart) paintHeart(heart, faceOfCard(card), favourites.has(faceOfCard(card)));
}
serveHearts(wall, faceOfCard);
favourites.onChange(() => {
  for (const card of /** @type {HTMLElement[]} */ ([...wall.children])) {
    const heart = card.querySelector(".heart");
    if (heart) paintHeart(heart, faceOfCard(card), favourites.has(faceOfCard(card)));
  }
});

document.querySelector("[data-new]")?.addEventListener("click", (event) => {
  event.preventDefault();
  start = diceSeed();
  history.pushState(null, "", pageUrl());
  redraw();
});
more.addEventListener("click", (event) => {
  event.preventDefault();
  append(event.detail === 0);
});
form?.addEventListener("change", settled(recolour, 150));
nameWishes();
for (const fieldset of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll("fieldset[data-part]"))) {
  const place = fieldset.querySelector("[data-swatch-now]");
  if (place) nameWhatIsPointedAt(fieldset, (name) => { place.textContent = name; }, nameWishes);
}
form?.addEventListener("submit", (event) => event.preventDefault());
addEventListener("popstate", () => {
  readAddress();
  redraw();
});
let nearEnd = false;
function appendByScrolling() {
  if (!nearEnd || rounds >= ROUNDS_BY_SCROLLING || scrollY === 0) return;
  rounds += 1;
  nearEnd = false; // until the observer has seen where the end is now
  append(false);
}
new IntersectionObserver((entries) => {
  nearEnd = entries[entries.length - 1].isIntersecting;
  appendByScrolling();
}, { rootMargin: "200px" }).observe(more);
addEventListener("scroll", appendByScrolling, { passive: true });
