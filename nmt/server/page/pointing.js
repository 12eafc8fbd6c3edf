// How a person points at a word: with a mouse, a finger, the caret or the arrow keys.

import { choose, look, mirror, source, target } from "./view.js";

let last = null; // the word that a pointer was at

function pointed(event) {
  return document.elementsFromPoint(event.clientX, event.clientY).find((each) => each.matches(".word")) ?? null;
}

function place(element) {
  const { line, word } = element.dataset;
  return { side: target.contains(element) ? "target" : "source", line: Number(line), word: Number(word) };
}

for (const side of [source, target]) {
  side.addEventListener("pointermove", (event) => {
    const word = pointed(event);
    if (word !== last) look(word && place(word));
    last = word;
  });
  side.addEventListener("pointerleave", (event) => {
    last = null;
    if (event.pointerType === "mouse") look(null);
  });
  side.addEventListener("click", (event) => {
    const word = pointed(event);
    look(word && place(word));
    if (word) choose(place(word).line);
  });
}

// Arrow keys in the source: the word at the caret.
source.addEventListener("keyup", (event) => {
  if (!/^(Arrow|Home|End)/.test(event.key)) return;
  const before = source.value.slice(0, source.selectionStart).split("\n");
  const line = before.length - 1;
  const column = before[line].length;
  let start = 0;
  const word = [...mirror.querySelectorAll(`[data-line="${line}"]`)].find((element) => {
    start = source.value.split("\n")[line].indexOf(element.textContent, start);
    const found = start <= column && column <= start + element.textContent.length;
    start += element.textContent.length;
    return found;
  });
  look(word ? place(word) : null);
  choose(line);
});

// Arrow keys in the translation: from word to word, in the direction that one reads.
target.addEventListener("keydown", (event) => {
  if (event.key === "Escape") return look(null);
  const words = [...target.querySelectorAll(".word")];
  const now = words.findIndex((element) => element.classList.contains("own"));
  const forward = getComputedStyle(words[Math.max(now, 0)].parentElement).direction === "rtl" ? -1 : 1;
  const steps = { ArrowRight: forward, ArrowLeft: -forward, ArrowDown: 1, ArrowUp: -1, Home: -Infinity, End: Infinity };
  if (!(event.key in steps) || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  walk(words[Math.min(words.length - 1, Math.max(0, now + steps[event.key]))]);
});

target.addEventListener("focus", () => {
  if (target.matches(":focus-visible")) walk(target.querySelector(".word"));
});
target.addEventListener("blur", () => look(null));

function walk(word) {
  look(place(word));
  choose(place(word).line);
}
