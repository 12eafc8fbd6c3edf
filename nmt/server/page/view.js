// What the page shows of a text and its translation. Lines are counted from 0, and so are the words of each.

import { attention, doubt, nodes, sentence } from "./words.js";

const SAID = 900; // ms without a change before a screen reader is told the translation
const HINT = matchMedia("(hover: none)").matches
  ? "Tap a word to see where the model looked."
  : "Point at a word, or use the arrow keys in the translation, to see where the model looked.";

export const at = (id) => document.getElementById(id);
export const [source, mirror, target] = ["source", "mirror", "target"].map(at);
const choices = at("alternatives");

let shown = []; // each line: {line, record, best}, best the translation that is shown
let chosen = new Map(); // line → number of its translation that was chosen, 0 the best
let current = 0; // the line whose translations one can choose from
let speaker;

/** Show the lines' translations; records: line → its record. A line without one is still being translated. */
export function show(lines, records) {
  shown = lines.map((line) => {
    const record = records.get(line);
    return { line, record, best: record && candidates(record)[chosen.get(line) ?? 0] };
  });
  target.replaceChildren(...(lines.some(Boolean) ? shown.map(paragraph) : []));
  target.classList.remove("stale");
  const any = target.querySelector(".word") !== null;
  target.role = any ? "listbox" : null;
  target.ariaLabel = any ? "Words of the translation" : null;
  target.tabIndex = any ? 0 : -1;
  at("copy").hidden = at("legend").hidden = !any;
  reflect();
  look(null);
  choose(current);
  clearTimeout(speaker);
  speaker = setTimeout(say, SAID);
}

/** Give the translation to a screen reader, which reads the lines that have changed. */
function say() {
  const lines = translation().split("\n");
  while (at("said").children.length > lines.length) at("said").lastChild.remove();
  lines.forEach((line, n) => {
    const said = at("said").children[n] ?? at("said").appendChild(document.createElement("p"));
    if (said.textContent !== line) said.textContent = line;
  });
}

/** Mark the translation as that of an older text. */
export function outdate() {
  target.classList.add("stale");
  look(null);
  reflect();
}

/** Forget which translations were chosen. */
export function forget() {
  chosen = new Map();
}

/** Return the translation as it is shown. */
export function translation() {
  return shown.map(({ best }) => best?.text ?? "").join("\n");
}

/** Write the source behind the text area, where its words can be shaded. */
function reflect() {
  const parts = source.value.split("\n").flatMap((line, n) => {
    const words = shown[n]?.line === line.trim() && shown[n].record?.source_words;
    return [...(words ? nodes(line, words, (word) => span(n, word)) : [line]), "\n"];
  });
  mirror.replaceChildren(...parts);
}

function paragraph({ line, best }, n) {
  const element = document.createElement("p");
  element.dir = "auto";
  element.role = "none";
  if (best) element.append(...nodes(best.text, best.words.map((word) => word.text), (i) => option(best, n, i)));
  else element.append(line ? "…" : document.createElement("br"));
  return element;
}

function option(best, line, word) {
  const element = span(line, word);
  element.id = `word-${line}-${word}`;
  element.role = "option";
  element.ariaSelected = "false";
  element.className = `word ${doubt(best.words[word].confidence)}`;
  return element;
}

function span(line, word) {
  const element = document.createElement("span");
  element.className = "word";
  Object.assign(element.dataset, { line, word });
  return element;
}

/** Shade what a word, {side, line, word}, looked at, or what looked at it; null: shade nothing. */
export function look(word) {
  for (const element of document.querySelectorAll(".word.looked, .word.own")) {
    element.classList.remove("looked", "own");
    element.style.removeProperty("--look");
    if (target.contains(element)) {
      element.ariaSelected = "false";
      element.removeAttribute("aria-describedby");
    }
  }
  target.removeAttribute("aria-activedescendant");
  const { record, best } = shown[word?.line] ?? {};
  if (!best) return at("details").replaceChildren(HINT);
  const [own, other] = word.side === "target" ? [target, mirror] : [mirror, target];
  attention(best.words, word.side, word.word).forEach((weight, n) => {
    const element = find(other, word.line, n);
    element?.style.setProperty("--look", weight);
    element?.classList.toggle("looked", weight >= 0.02);
  });
  at("details").replaceChildren(...sentence(best.words, record.source_words, word.side, word.word));
  const element = find(own, word.line, word.word);
  element?.classList.add("own");
  if (own === target && element) {
    element.ariaSelected = "true";
    element.setAttribute("aria-describedby", "details");
    target.setAttribute("aria-activedescendant", element.id);
  }
}

function find(side, line, word) {
  return side.querySelector(`[data-line="${line}"][data-word="${word}"]`);
}

/** Return the translations of a line that read differently, the best first: several can share a text. */
function candidates(record) {
  const all = [record, ...record.alternatives];
  return all.filter((each, n) => all.findIndex(({ text }) => text === each.text) === n);
}

/** Offer the translations of a line. */
export function choose(line) {
  current = Math.min(line, shown.length - 1);
  const { record, best } = shown[current] ?? {};
  const all = record ? candidates(record) : [];
  choices.hidden = all.length < 2;
  const several = shown.filter((each) => each.record).length > 1;
  choices.querySelector("legend").textContent = `Translations${several ? ` of line ${current + 1}` : ""} to choose from`;
  choices.querySelector("div").replaceChildren(...all.map((each, n) => choice(each, n, best)));
}

function choice(candidate, number, best) {
  const label = document.createElement("label");
  const input = Object.assign(document.createElement("input"), { type: "radio", name: "translation", value: number });
  input.checked = candidate === best;
  const text = Object.assign(document.createElement("span"), { dir: "auto", lang: target.lang });
  text.append(...different(candidate, best));
  label.append(input, text);
  return label;
}

/** Return the nodes of a translation, marked where it has another word than the one that is shown. */
function different(candidate, best) {
  const words = candidate.words.map((each) => each.text);
  const same = new Set(best.words.map((each) => each.text));
  return nodes(candidate.text, words, (n) => document.createElement(same.has(words[n]) ? "span" : "mark"));
}

choices.addEventListener("change", (event) => {
  chosen.set(shown[current].line, Number(event.target.value));
  show(
    shown.map(({ line }) => line),
    new Map(shown.map(({ line, record }) => [line, record])),
  );
  choices.querySelector(":checked").focus();
});

look(null);
