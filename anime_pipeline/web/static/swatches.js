// @ts-check
/** Discs of colour tell their names: two greys look alike, and not everybody sees hues apart. */

/**
 * Say the name of the disc that is pointed at. The chosen one needs no pointing, nor do keys, which
 * choose what they reach.
 * @param {HTMLElement} root
 * @param {(name: string) => void} say
 * @param {() => void} back says the chosen one again
 */
export function nameWhatIsPointedAt(root, say, back) {
  for (const label of /** @type {NodeListOf<HTMLElement>} */ (root.querySelectorAll(".swatch[title]"))) {
    label.addEventListener("pointerenter", (event) => { if (event.pointerType === "mouse") say(label.title); });
    label.addEventListener("pointerleave", back);
  }
}
