// @ts-check
/** Discs of colour tell their names: two greys look alike, and not everybody sees hues apart. */

/**
 * Bring a choice among a few words to life.
 * @param {HTMLElement} root holds the radio buttons, and perhaps a place for words
 * @param {(value: string) => void} onPick called with a word, or ""
 * @returns {{set: (value: string) => void, shown: (word: string) => void}} as of a colour picker
 */
export function createWordPicker(root, onPick) {
  const place = root.querySelector("[data-swatch-name]");
  const radios = /** @type {HTMLInputElement[]} */ ([...root.querySelectorAll("input[type=radio]")]);
  let seen = "";
  let choice = "";
  const say = (/** @type {string} */ words) => { if (place) place.textContent = words; };
  const tell = () => say(choice || (seen ? `As the seed draws it: ${seen}` : "As the seed draws it"));
  nameWhatIsPointedAt(root, say, tell);
  for (const radio of radios) {
    radio.addEventListener("change", () => {
      choice = radio.value;
      tell();
      onPick(choice);
    });
  }
  return {
    set(value) {
      choice = value;
      for (const each of radios) each.checked = each.value === value;
      tell();
    },
    shown(word) {
      seen = word;
      tell();
    },
  };
}

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
