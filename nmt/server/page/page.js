// The page: text is translated while it is typed. What translates is in backend.js.

import { characterLimit, footnote, languages, translate } from "./backend.js";
import { attention, doubt, nodes, sentence } from "./words.js";

const PAUSE = 120; // ms without a key before the text is translated
const SAID = 900; // ms without a change before a screen reader is told the translation
const LINES = 16; // lines asked for at once
const ALTERNATIVES = 4;
const KEPT = 500; // lines whose translations are kept
const HINT = matchMedia("(hover: none)").matches
  ? "Tap a word to see where the model looked."
  : "Point at a word, or use the arrow keys in the translation, to see where the model looked.";

const at = (id) => document.getElementById(id);
const [from, to, swap, source, mirror, target] = ["from", "to", "swap", "source", "mirror", "target"].map(at);
const choices = at("alternatives");

let known = []; // the languages
let limit = Infinity; // characters
let records = new Map(); // line → its record, of this pair of languages
let chosen = new Map(); // line → number of the translation that is shown, 0 the best
let shown = []; // lines of the translation on the page: {line, record, best}
let looking = null; // {side, line, word}: whose attention is shown
let current = 0; // the line whose translations one can choose from
let pending = null; // the request under way
let timer, speaker, delay;

// Translate

function soon(pause = PAUSE) {
  if (!known.length) return; // not open yet
  clearTimeout(timer);
  pending?.abort();
  timer = setTimeout(run, pause);
}

async function run() {
  const lines = linesOfSource();
  if (length() > limit) return problem(`The text is longer than ${limit.toLocaleString("en")} characters.`);
  const missing = [...new Set(lines)].filter((line) => line && !records.has(line));
  const request = (pending = new AbortController());
  const pair = { source: from.value, target: to.value };
  if (missing.length) target.ariaBusy = "true";
  try {
    for (let n = 0; n < missing.length; n += LINES) {
      const some = missing.slice(n, n + LINES);
      const found = await translate({ ...pair, lines: some, alternatives: ALTERNATIVES, signal: request.signal });
      if (request.signal.aborted) return;
      if (records.size > KEPT) records = new Map(lines.map((line) => [line, records.get(line)]));
      some.forEach((line, i) => records.set(line, found[i]));
      show(lines);
    }
  } catch (error) {
    if (!request.signal.aborted) failed(error, run);
    return;
  }
  problem("");
  delay = 0;
  show(lines);
  target.ariaBusy = null;
}

function failed(error, again) {
  if (error.retryAfter === undefined) return problem(error.message);
  delay = Math.min(30, Math.max(error.retryAfter, 2 * (delay || 0)));
  problem(`${error.message} Your text is kept. The page tries again in ${delay} s.`);
  clearTimeout(timer);
  timer = setTimeout(again, 1000 * delay);
}

/** The lines of the source, without the white space around them, which no translation depends on. */
function linesOfSource() {
  return source.value.split("\n").map((line) => line.trim());
}

function length() {
  return [...source.value].length; // characters as Python counts them
}

function problem(text) {
  if (at("problem").textContent !== text) at("problem").textContent = text;
}

// Show

function show(lines) {
  shown = lines.map((line) => {
    const record = records.get(line);
    return { line, record, best: record && candidates(record)[chosen.get(line) ?? 0] };
  });
  const paragraphs = shown.map(({ line, best }, n) => {
    const paragraph = document.createElement("p");
    paragraph.dir = "auto";
    paragraph.role = "none";
    if (best) paragraph.append(...nodes(best.text, best.words.map((word) => word.text), (i) => option(best, n, i)));
    else paragraph.append(line ? "…" : document.createElement("br"));
    return paragraph;
  });
  target.replaceChildren(...(lines.some(Boolean) ? paragraphs : []));
  target.classList.remove("stale");
  const any = target.querySelector(".word") !== null;
  target.role = any ? "listbox" : null;
  target.ariaLabel = any ? "Words of the translation" : null;
  target.tabIndex = any ? 0 : -1;
  at("copy").hidden = !any;
  reflect();
  look(null);
  choose();
  clearTimeout(speaker);
  speaker = setTimeout(() => (at("said").textContent = translation()), SAID);
}

/** The translations of a line that read differently, the best first: others can share a text. */
function candidates(record) {
  const all = [record, ...record.alternatives];
  return all.filter((each, n) => all.findIndex(({ text }) => text === each.text) === n);
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

function translation() {
  return shown.map(({ best }) => best?.text ?? "").join("\n");
}

/** Write the source behind the text area, where its words can be shaded. */
function reflect() {
  const lines = source.value.split("\n").flatMap((line, n) => {
    const words = shown[n]?.line === line.trim() && shown[n].record?.source_words;
    return [...(words ? nodes(line, words, (word) => span(n, word)) : [line]), "\n"];
  });
  mirror.replaceChildren(...lines);
  const count = length();
  at("count").textContent = limit < Infinity ? `${count.toLocaleString("en")} / ${limit.toLocaleString("en")}` : count;
  at("count").classList.toggle("over", count > limit);
  at("clear").hidden = !count;
}

/** Shade what a word looked at, or what looked at it; none: shade nothing. */
function look(word) {
  looking = word;
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

/** Offer the translations of the current line. */
function choose(line = current) {
  current = Math.min(line, shown.length - 1);
  const { line: text, record, best } = shown[current] ?? {};
  const all = record ? candidates(record) : [];
  choices.hidden = all.length < 2;
  if (choices.hidden) return;
  const several = shown.filter((each) => each.record).length > 1;
  choices.querySelector("legend").textContent = `Translations${several ? ` of line ${current + 1}` : ""} to choose from`;
  const labels = all.map((each, n) => {
    const label = document.createElement("label");
    const input = Object.assign(document.createElement("input"), { type: "radio", name: "translation", value: n });
    input.checked = each === best;
    const words = Object.assign(document.createElement("span"), { dir: "auto", lang: to.value });
    words.append(...different(each, best));
    label.append(input, words);
    return label;
  });
  choices.querySelector("div").replaceChildren(...labels);
  choices.onchange = (event) => {
    chosen.set(text, Number(event.target.value));
    show(linesOfSource());
    choices.querySelector(":checked").focus();
  };
}

/** Return the nodes of a translation, marked where it has another word than the one that is shown. */
function different(candidate, best) {
  const words = candidate.words.map((each) => each.text);
  const same = new Set(best.words.map((each) => each.text));
  return nodes(candidate.text, words, (n) => document.createElement(same.has(words[n]) ? "span" : "mark"));
}

// Languages

async function open() {
  try {
    [known, limit] = await Promise.all([languages(), characterLimit()]);
  } catch (error) {
    return failed(error, open);
  }
  problem("");
  known = known.map((each) => ({ ...each, targets: each.targets.filter((code) => code !== each.code) }));
  known = known.filter((each) => each.targets.length);
  fill(from, known.map((each) => each.code));
  for (const element of [from, to]) element.disabled = false;
  source.value ||= sessionStorage.getItem("text") ?? "";
  follow();
}

/** Do as the address says: #de-en, or #de-en/text. The text is taken out of it, for it may be private. */
function follow() {
  const [, src, trg, text] = /^#([^-/]*)-?([^/]*)\/?(.*)$/s.exec(location.hash || "#");
  pick(src, trg);
  if (text) source.value = text.replace(/(%[0-9a-f]{2})+/gi, decoded);
  typed(0);
}

function decoded(percents) {
  try {
    return decodeURIComponent(percents);
  } catch {
    return percents; // a text with a % in it
  }
}

function fill(select, codes) {
  const names = new Map(known.map(({ code, name }) => [code, name]));
  select.replaceChildren(...codes.map((code) => new Option(names.get(code) ?? code, code)));
}

function targets(code) {
  return known.find((each) => each.code === code)?.targets ?? [];
}

/** Set the pair of languages, or the nearest that there is. */
function pick(src, trg) {
  if (targets(src).length) from.value = src;
  fill(to, targets(from.value));
  if (targets(from.value).includes(trg)) to.value = trg;
  swap.disabled = !targets(to.value).includes(from.value);
  source.lang = from.value;
  target.lang = at("said").lang = to.value;
  records = new Map();
  chosen = new Map();
  history.replaceState(null, "", `#${from.value}-${to.value}`);
}

for (const select of [from, to])
  select.addEventListener("change", () => {
    pick(from.value, to.value);
    typed(0);
  });
addEventListener("hashchange", () => known.length && follow());
swap.addEventListener("click", () => {
  source.value = translation() || source.value;
  pick(to.value, from.value);
  typed(0);
});

// Type, point, walk

function typed(pause) {
  sessionStorage.setItem("text", source.value);
  target.classList.add("stale");
  look(null);
  reflect();
  soon(pause);
}

source.addEventListener("input", (event) => typed(event.inputType?.startsWith("insertFrom") ? 0 : PAUSE));
at("clear").addEventListener("click", () => {
  source.value = "";
  typed(0);
  source.focus();
});
at("copy").addEventListener("click", async () => {
  if (navigator.clipboard) await navigator.clipboard.writeText(translation());
  else copyOldWay(); // a browser has no clipboard where the page comes over HTTP from another machine
  at("copied").textContent = "Copied";
  setTimeout(() => (at("copied").textContent = ""), 2000);
});

function copyOldWay() {
  const area = document.createElement("textarea");
  area.value = translation();
  at("copy").after(area);
  area.select();
  document.execCommand("copy");
  area.remove();
  at("copy").focus();
}

function pointed(event) {
  const element = document.elementsFromPoint(event.clientX, event.clientY).find((each) => each.matches(".word"));
  if (!element) return null;
  const { line, word } = element.dataset;
  return { side: target.contains(element) ? "target" : "source", line: Number(line), word: Number(word) };
}

for (const side of [source, target]) {
  side.addEventListener("pointermove", (event) => {
    const word = pointed(event);
    if (word?.side !== looking?.side || word?.line !== looking?.line || word?.word !== looking?.word) look(word);
  });
  side.addEventListener("pointerleave", (event) => event.pointerType === "mouse" && look(null));
  side.addEventListener("click", (event) => {
    const word = pointed(event);
    look(word);
    if (word) choose(word.line);
  });
}

/** The word of the source at the caret, once arrow keys moved it. */
source.addEventListener("keyup", (event) => {
  if (!/^(Arrow|Home|End)/.test(event.key)) return;
  const before = source.value.slice(0, source.selectionStart);
  const line = before.split("\n").length - 1;
  const column = before.length - before.lastIndexOf("\n") - 1;
  let start = 0;
  const word = [...mirror.querySelectorAll(`[data-line="${line}"]`)].find((element) => {
    start = source.value.split("\n")[line].indexOf(element.textContent, start);
    const end = start + element.textContent.length;
    const found = start <= column && column <= end;
    start = end;
    return found;
  });
  look(word ? { side: "source", line, word: Number(word.dataset.word) } : null);
  choose(line);
});

target.addEventListener("keydown", (event) => {
  const words = [...target.querySelectorAll(".word")];
  const now = words.findIndex((element) => element.classList.contains("own"));
  const forward = getComputedStyle(words[Math.max(now, 0)]?.parentElement ?? target).direction === "rtl" ? -1 : 1;
  const steps = { ArrowRight: forward, ArrowLeft: -forward, ArrowDown: 1, ArrowUp: -1, Home: -Infinity, End: Infinity };
  if (event.key === "Escape") return look(null);
  if (!(event.key in steps) || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  const next = now < 0 && steps[event.key] > 0 ? 0 : now + steps[event.key];
  const { line, word } = words[Math.min(words.length - 1, Math.max(0, next))].dataset;
  look({ side: "target", line: Number(line), word: Number(word) });
  choose(Number(line));
});
target.addEventListener("focus", () => {
  if (!looking && target.matches(":focus-visible")) target.dispatchEvent(new KeyboardEvent("keydown", { key: "Home" }));
});
target.addEventListener("blur", () => look(null));

// Start

at("details").replaceChildren(HINT);
at("footnote").textContent = footnote.text + " ";
if (footnote.href)
  at("footnote").append(Object.assign(document.createElement("a"), { href: footnote.href, textContent: footnote.label }));
reflect();
open();
