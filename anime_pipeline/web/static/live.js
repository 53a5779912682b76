// @ts-check
/** Keeping a part of a page fresh: the server draws it again, and what changed is put in place. */

/**
 * Refresh each `[data-live-region]` while a run trains and the tab can be seen; the first of them
 * says in `data-live` after how many seconds.
 * @param {() => void} [onFresh] called after each look at the server
 */
export function keepFresh(onFresh) {
  const region = document.querySelector("[data-live-region]");
  if (!(region instanceof HTMLElement)) return;
  /** @type {ReturnType<typeof setTimeout>|undefined} */
  let timer;
  let looking = false;

  const plan = () => {
    clearTimeout(timer);
    const seconds = Number(region.dataset.live || 0);
    if (seconds > 0 && !document.hidden) timer = setTimeout(look, seconds * 1000);
  };
  const look = async () => {
    if (looking) return;
    looking = true;
    try {
      const response = await fetch(location.href, { headers: { Accept: "text/html" } });
      if (response.ok) {
        replaceRegions(await response.text());
        onFresh?.();
      }
    } catch (error) {
      // The server may be starting anew: what is shown stays, and the next look may succeed.
      console.debug("No fresh state:", error);
    } finally {
      looking = false;
      plan();
    }
  };
  document.addEventListener("visibilitychange", () => (document.hidden ? clearTimeout(timer) : look()));
  plan();
}

/** @param {string} html */
function replaceRegions(html) {
  const page = new DOMParser().parseFromString(html, "text/html");
  for (const region of document.querySelectorAll("[data-live-region]")) {
    const name = region.getAttribute("data-live-region");
    const fresh = page.querySelector(`[data-live-region="${name}"]`);
    if (!(region instanceof HTMLElement) || !(fresh instanceof HTMLElement)) continue;
    if (fresh.dataset.live) region.dataset.live = fresh.dataset.live;
    else delete region.dataset.live;
    mergeChildren(region, fresh);
  }
}

/**
 * Bring the keyed children of one element to those of another; equal ones are left untouched.
 * @param {Element} old
 * @param {Element} fresh
 */
export function mergeChildren(old, fresh) {
  const known = new Map([...old.children].map((child) => [child.getAttribute("data-key"), child]));
  /** @type {Element|null} */
  let before = null;
  for (const child of [...fresh.children]) {
    const key = child.getAttribute("data-key");
    const had = known.get(key);
    known.delete(key);
    let kept = child;
    if (had && had.outerHTML === child.outerHTML) kept = had;
    else if (had?.hasAttribute("data-keyed") && child.hasAttribute("data-keyed")) {
      mergeChildren(had, child);
      kept = had;
    } else if (had) replaceOne(had, child);
    const place = before ? before.nextElementSibling : old.firstElementChild;
    if (place !== kept) old.insertBefore(kept, place);
    before = kept;
  }
  for (const gone of known.values()) gone.remove();
}

/** @param {Element} had @param {Element} child */
function replaceOne(had, child) {
  const focused = had.contains(document.activeElement) ? document.activeElement : null;
  const target = focused?.getAttribute("href");
  const pictures = [...had.querySelectorAll("img")];
  for (const picture of child.querySelectorAll("img")) {
    // The same node again: a new one would flash while it loads.
    const same = pictures.find((one) => one.getAttribute("src") === picture.getAttribute("src"));
    if (same) picture.replaceWith(same);
  }
  had.replaceWith(child);
  if (target) {
    const links = /** @type {NodeListOf<HTMLElement>} */ (child.querySelectorAll("a[href]:not([tabindex])"));
    [...links].find((link) => link.getAttribute("href") === target)?.focus();
  }
}
