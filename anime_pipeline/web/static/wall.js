// @ts-check
/** The wall: new faces, more faces, one look for all of them. */

import { fillCard, makeCard, toggleHeart } from "./cards.js";
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
const status = find("[data-status]");
const more = /** @type {HTMLAnchorElement} */ (find("[data-more]"));

let start = wall.dataset.start || askedStart() || randomSeed();
/** The look of all faces. @type {import("./face.js").Look} */
let look = PLAIN;
let rounds = 0;

const relookSoon = debounce(relook, 150);
const pickers = createPickers((name, value) => {
  look = { ...look, [name]: value };
  relookSoon();
});

/** @param {number} index of its card */
function faceAt(index) {
  const { hair, skin, eyes, length } = look;
  return asServed({ ...PLAIN, hair, skin, eyes, length, seed: stepSeed(start, index) });
}

/** Bring the cards that there are in step with what is asked for. */
function show() {
  const cards = /** @type {HTMLElement[]} */ ([...wall.children]);
  cards.forEach((card, index) => fillCard(card, faceAt(index)));
  more.href = wallUrl(stepSeed(start, wall.children.length), look);
}

/** The seed that the address asks for. */
function askedStart() {
  return readSeed(new URLSearchParams(location.search).get("start") ?? "");
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
  wall.replaceChildren(...[...wall.children].slice(0, PAGE));
  fill();
  rounds = 0;
  status.textContent = `${wall.children.length} faces from seed ${start}.`;
  show();
}

/** Make the cards that a page has, where no server has made them. */
function fill() {
  while (wall.children.length < PAGE) wall.append(makeCard(faceAt(wall.children.length)));
}

/** The same seeds with another look, however many are shown. */
function relook() {
  const words = lookInWords(look);
  status.textContent = `The wall is drawn again${words && `, with ${words}`}.`;
  history.replaceState(null, "", wallUrl(start, look));
  show();
}

/** @param {boolean} moveFocus to the first new face, for who pressed a key */
function append(moveFocus) {
  const first = wall.children.length;
  wall.append(...Array.from({ length: PAGE }, (_, index) => makeCard(faceAt(first + index))));
  status.textContent = `${PAGE} more faces.`;
  if (moveFocus) find("a", wall.children[first]).focus({ preventScroll: true });
  show();
}

onClick("[data-retry]", () => { showProblem(""); retryMissing(); });
wall.addEventListener("click", (event) => {
  const heart = /** @type {Element} */ (event.target).closest(".heart");
  if (heart) toggleHeart(heart, faceAt([...wall.children].findIndex((card) => card.contains(heart))));
});
favourites.onChange(show);
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
  start = askedStart() ?? start;
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
fill();
show();
