// @ts-check
/** Keeping a part of a page fresh: the server draws it again, and what changed is put in place. */

import { fetchPage } from "./backend.js";
import { find, findAll, newestOnly } from "./common.js";

/**
 * Refresh each `[data-live-region]` while a run trains and the tab can be seen; the first of them
 * says in `data-live` after how many seconds.
 * @param {() => void} [onFresh] called after each look at the server
 */
export function keepFresh(onFresh) {
  const region = find("[data-live-region]");
  if (!region) return;
  /** @type {ReturnType<typeof setTimeout>|undefined} */
  let timer;
  const plan = () => {
    clearTimeout(timer);
    const seconds = Number(region.dataset.live || 0);
    if (seconds > 0 && !document.hidden) timer = setTimeout(look, seconds * 1000);
  };
  const look = newestOnly(async () => {
    try {
      const page = new DOMParser().parseFromString(await fetchPage(), "text/html");
      for (const old of findAll("[data-live-region]")) {
        const fresh = find(`[data-live-region="${old.dataset.liveRegion}"]`, page);
        if (!fresh) continue;
        old.dataset.live = fresh.dataset.live ?? "";
        mergeChildren(old, fresh);
      }
      onFresh?.();
    } catch (error) {
      // The server may be starting anew: what is shown stays, and the next look may succeed.
      console.debug("No fresh state:", error);
    }
    plan();
  });
  document.addEventListener("visibilitychange", () => (document.hidden ? clearTimeout(timer) : look()));
  plan();
}

/**
 * Bring the keyed children of one element to those of another; equal ones are left untouched.
 * @param {Element} old
 * @param {Element} fresh
 */
function mergeChildren(old, fresh) {
  const known = new Map([...old.children].map((child) => [child.getAttribute("data-key"), child]));
  const kept = [...fresh.children].map((child) => {
    const had = known.get(child.getAttribute("data-key"));
    if (had?.hasAttribute("data-keyed")) mergeChildren(had, child);
    else if (!had?.isEqualNode(child)) {
      if (had) replaceOne(had, child);
      return child;
    }
    return had;
  });
  for (const gone of [...old.children]) if (!kept.includes(gone)) gone.remove();
  kept.forEach((child, index) => {
    // Only where it is not there yet: what is moved loses the focus.
    if (old.children[index] !== child) old.insertBefore(child, old.children[index] ?? null);
  });
}

/** @param {Element} had @param {Element} child */
function replaceOne(had, child) {
  const target = had.contains(document.activeElement) ? document.activeElement?.getAttribute("href") : null;
  for (const picture of findAll("img", child)) {
    // The same node again: a new one would flash while it loads.
    const same = findAll("img", had).find((one) => one.getAttribute("src") === picture.getAttribute("src"));
    if (same) picture.replaceWith(same);
  }
  had.replaceWith(child);
  if (target) findAll("a[href]:not([tabindex])", child).find((link) => link.getAttribute("href") === target)?.focus();
}
