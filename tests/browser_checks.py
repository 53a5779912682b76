"""Scripts that the browser tests run inside the pages; each of the checks returns faults in words."""

# Before any script of a page: what goes wrong, what moves, when pictures arrive. A tab's storage
# carries the movements of pages that were left to the end of the test.
WATCH = """
window.watched = {faults: [], shifts: [], arrived: {}, sum() {
  return this.shifts.reduce((sum, shift) => sum + shift[0], 0);
}};
addEventListener("error", (event) => {
  if (event.message) window.watched.faults.push(event.message);
});
addEventListener("unhandledrejection", (event) => window.watched.faults.push(String(event.reason)));
addEventListener("securitypolicyviolation", (event) =>
  window.watched.faults.push(`${event.violatedDirective}: ${event.blockedURI}`));
addEventListener("load", ({target}) => {
  if (target instanceof HTMLImageElement) window.watched.arrived[target.src] = performance.now();
}, true);
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) {
    if (entry.hadRecentInput) continue;
    const moved = entry.sources.map(({node}) => node?.outerHTML?.slice(0, 80) ?? String(node));
    window.watched.shifts.push([entry.value, location.pathname, ...moved]);
  }
}).observe({type: "layout-shift", buffered: true});
"""

# Alternative texts, labels, one heading, language, the skip link.
MANNERS = """
const faults = [];
const tell = (words, element) => faults.push(`${words}: ${element.outerHTML.slice(0, 160)}`);
const named = (element) => element.getAttribute("aria-label") || element.getAttribute("title")
  || element.textContent.trim() || element.querySelector("img[alt]:not([alt=''])")
  || document.getElementById(element.getAttribute("aria-labelledby"));
for (const image of document.images) if (!image.hasAttribute("alt")) tell("no alt", image);
for (const input of document.querySelectorAll("input:not([type=hidden]), select, textarea")) {
  const label = input.getAttribute("aria-label") || document.getElementById(input.getAttribute("aria-labelledby"))
    || [...input.labels].some((one) => one.textContent.trim());
  if (!label) tell("no label", input);
}
for (const element of document.querySelectorAll("a[href], button, summary, [role=group], [role=region]")) {
  if (!element.closest("[aria-hidden=true]") && !named(element)) tell("no name", element);
}
for (const element of document.querySelectorAll("[aria-labelledby], [aria-describedby], label[for]")) {
  for (const name of ["aria-labelledby", "aria-describedby", "for"]) {
    for (const id of (element.getAttribute(name) ?? "").split(" ").filter(Boolean)) {
      if (!document.getElementById(id)) tell(`${name} leads nowhere`, element);
    }
  }
}
const ids = [...document.querySelectorAll("[id]")].map((element) => element.id);
for (const id of new Set(ids)) if (ids.filter((one) => one === id).length > 1) faults.push(`twice: #${id}`);
const heads = document.querySelectorAll("h1").length;
if (heads !== 1) faults.push(`${heads} h1`);
let level = 1;
for (const head of document.querySelectorAll("main :is(h1, h2, h3, h4)")) {
  if (!head.checkVisibility()) continue;
  const next = Number(head.tagName[1]);
  if (next > level + 1) tell(`h${next} after h${level}`, head);
  level = next;
}
if (!document.documentElement.lang) faults.push("no lang");
if (!document.title) faults.push("no title");
const first = document.querySelector("a[href], button, input, select, textarea, [tabindex]");
if (!first?.matches("a.skip[href='#main']") || !document.querySelector("main#main")) faults.push("no skip link");
return faults;
"""

# WCAG 2 AA, 1.4.3: text against the ground that it stands on, as far as that is one colour.
CONTRAST = """
const canvas = document.createElement("canvas");
canvas.width = canvas.height = 1;
const context = canvas.getContext("2d", {willReadFrequently: true});
const known = new Map();
const channels = (colour) => {
  if (!known.has(colour)) {
    context.clearRect(0, 0, 1, 1);
    context.fillStyle = colour;
    context.fillRect(0, 0, 1, 1);
    const [red, green, blue, alpha] = context.getImageData(0, 0, 1, 1).data;
    known.set(colour, [red, green, blue, alpha / 255]);
  }
  return known.get(colour);
};
const over = (top, below) => top.slice(0, 3).map((value, index) => value * top[3] + below[index] * (1 - top[3]));
const light = (colour) => {
  const [red, green, blue] = colour.map((value) => value / 255)
    .map((value) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4));
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
};
const ground = (element) => {
  const layers = [];
  for (let one = element; one; one = one.parentElement) {
    const style = getComputedStyle(one);
    const colour = channels(style.backgroundColor);
    if (colour[3]) layers.push(colour);
    if (colour[3] === 1) break;
    if (style.backgroundImage !== "none") return null;
  }
  return layers.reduceRight((below, top) => over(top, below), [255, 255, 255]);
};
const faults = new Set();
const check = (element, words) => {
  const style = getComputedStyle(element);
  if (element.closest(":disabled, [aria-disabled=true]")) return; // exempt
  const box = element.getBoundingClientRect();
  if (box.width <= 1 || style.clipPath === "inset(50%)" || element.closest(".visually-hidden, .skip")) return;
  if (!element.checkVisibility({opacityProperty: true, visibilityProperty: true})) return;
  const below = ground(element);
  if (!below) return;
  let [...ink] = channels(style.color);
  for (let one = element; one; one = one.parentElement) ink[3] *= Number(getComputedStyle(one).opacity);
  if (style.fill !== "none" && element.namespaceURI.endsWith("svg")) ink = channels(style.fill);
  const [one, two] = [light(over(ink, below)), light(below)].sort((a, b) => b - a);
  const ratio = (one + 0.05) / (two + 0.05);
  const size_px = parseFloat(style.fontSize);
  const large = size_px >= 24 || (size_px >= 18.66 && Number(style.fontWeight) >= 700);
  if (ratio < (large ? 3 : 4.5) - 0.005) {
    faults.add(`${ratio.toFixed(2)} of ${element.tagName}.${element.getAttribute("class") ?? ""}: ${words.slice(0, 40)}`);
  }
};
const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (walker.nextNode()) {
  const words = walker.currentNode.textContent.trim();
  if (words) check(walker.currentNode.parentElement, words);
}
for (const input of document.querySelectorAll("input.input, select, textarea")) check(input, input.value);
return [...faults];
"""

# Nothing is wider than the window, whose width is given: a phone shrinks a page that is too wide,
# and then tells a larger one. What scrolls inside itself may be wider.
WIDE = """
const [width] = arguments;
const faults = [];
if (document.scrollingElement.scrollWidth > width) {
  faults.push(`the page is ${document.scrollingElement.scrollWidth} px wide, the window ${width}`);
  const held = (element) => {
    for (let one = element.parentElement; one && one !== document.body; one = one.parentElement) {
      if (getComputedStyle(one).overflowX !== "visible") return true;
    }
    return false;
  };
  for (const element of document.body.querySelectorAll("*")) {
    if (element.getBoundingClientRect().right > width + 0.5 && !held(element)) {
      faults.push(element.outerHTML.slice(0, 120));
    }
  }
}
return faults;
"""
