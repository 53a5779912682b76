// @ts-check
/** The wall: new faces, more faces, one look for all of them. */

import { fillCard, makeCard, paintHeart, toggleHeart } from "./cards.js";
import { debounce, find, onClick, showProblem } from "./common.js";
import { PLAIN, asServed, lookInWords, noteServed, randomSeed, readFace, readSeed, stepSeed, wallUrl } from "./face.js";
import { createPickers } from "./picker.js";
import { retryMissing } from "./pictures.js";
import { favourites } from "./store.js";

/** @typedef {import("./face.js").Face} Face */

const PAGE = 24;
const AHEAD_PX = 200; // more faces come a little before the end is seen
const ROUNDS_BY_SCROLLING = 3; // then the foot of the page can be reached again

const wall = /** @type {HTMLUListElement} */ (find("[data-wall]"));
const cards = () => /** @type {HTMLElement[]} */ ([...wall.children]);
const status = find("[data-status]");
const more = /** @type {HTMLAnchorElement} */ (find("[data-more]"));

let start = wall.dataset.start || "0";
/** The look of all faces. @type {import("./face.js").Look} */
let look = PLAIN;
let rounds = 0;

const relookSoon = debounce(relook, 150);
const pickers = createPickers((name, value) => {
  look = { ...look, [name]: value };
  relookSoon();
});

/** @param {string} seed */
function faceOf(seed) {
  const { hair, skin, eyes, length } = look;
  return asServed({ ...PLAIN, hair, skin, eyes, length, seed });
}

/** @param {HTMLElement} card */
function faceOfCard(card) {
  return faceOf(card.dataset.seed || "0");
}

/** Take over the look that the address asks for, as far as the model knows it. */
function readLook() {
  const asked = readFace(location.search);
  for (const [name, picker] of pickers) {
    const value = asked[/** @type {keyof typeof look} */ (name)];
    look = { ...look, [name]: value };
    picker.set(value);
  }
}

/** Show the wall anew from `start`, with as many cards as one page has. */
function restart() {
  showProblem("");
  for (const card of cards().slice(PAGE)) card.remove();
  cards().forEach((card, index) => fillCard(card, faceOf(stepSeed(start, index))));
  rounds = 0;
  status.textContent = `${wall.children.length} faces from seed ${start}.`;
  showMore();
}

/** The same seeds with another look, however many are shown. */
function relook() {
  for (const card of cards()) fillCard(card, faceOfCard(card));
  const words = lookInWords(look);
  status.textContent = `The wall is drawn again${words && `, with ${words}`}.`;
  history.replaceState(null, "", wallUrl(start, look));
  showMore();
}

/** @param {boolean} moveFocus to the first new face, for who pressed a key */
function append(moveFocus) {
  const first = wall.children.length;
  const fresh = Array.from({ length: PAGE }, (_, index) => makeCard(faceOf(stepSeed(start, first + index))));
  wall.append(...fresh);
  status.textContent = `${PAGE} more faces.`;
  if (moveFocus) find("a", fresh[0]).focus({ preventScroll: true });
  showMore();
}

function showMore() {
  more.href = wallUrl(stepSeed(start, wall.children.length), look);
}

onClick("[data-retry]", () => { showProblem(""); retryMissing(); });
wall.addEventListener("click", (event) => {
  const heart = event.target instanceof Element ? event.target.closest(".heart") : null;
  if (heart) toggleHeart(heart, faceOfCard(/** @type {HTMLElement} */ (heart.closest("li"))));
});
favourites.onChange(() => {
  for (const card of cards()) paintHeart(find(".heart", card), faceOfCard(card));
});
onClick("[data-new]", (event) => {
  event.preventDefault();
  start = randomSeed();
  history.pushState(null, "", wallUrl(start, look));
  restart();
});
more.addEventListener("click", (event) => {
  event.preventDefault();
  append(event.detail === 0);
});
find("[data-look]")?.addEventListener("submit", (/** @type {Event} */ event) => event.preventDefault());
addEventListener("popstate", () => {
  start = readSeed(new URLSearchParams(location.search).get("start") ?? "") ?? start;
  readLook();
  restart();
});

addEventListener("scroll", () => {
  if (rounds >= ROUNDS_BY_SCROLLING || more.getBoundingClientRect().top > innerHeight + AHEAD_PX) return;
  rounds += 1;
  append(false);
}, { passive: true });

noteServed("", document.body.dataset.weights ?? "");
readLook();
for (const card of cards()) fillCard(card, faceOfCard(card));
