// The page: text is translated while it is typed. What translates is in backend.js.

import { characterLimit, footnote, languages, prepare, translate } from "./backend.js";
import "./pointing.js";
import { at, forget, outdate, show, source, target, translation } from "./view.js";

const PAUSE = 120; // ms without a key before the text is translated
const LINES = 16; // lines asked for at once
const ALTERNATIVES = 4;
const KEPT = 500; // lines whose translations are kept

const [from, to, swap] = ["from", "to", "swap"].map(at);

let known = []; // the languages
let limit = Infinity; // characters
let records = new Map(); // line → its record, of this pair of languages
let pending = null; // the request under way
let timer, delay;

// Translate

function typed(pause = PAUSE) {
  kept((storage) => storage.setItem("text", source.value));
  outdate();
  count();
  if (!known.length) return; // open() is still asking for them
  clearTimeout(timer);
  pending?.abort();
  timer = setTimeout(run, pause);
}

async function run() {
  // No translation depends on the white space around a line.
  const lines = source.value.split("\n").map((line) => line.trim());
  if (length() > limit) return problem(`The text is longer than ${limit.toLocaleString("en")} characters.`);
  const missing = [...new Set(lines)].filter((line) => line && !records.has(line));
  const { signal } = (pending = new AbortController());
  const pair = { source: from.value, target: to.value };
  target.ariaBusy = String(missing.length > 0);
  try {
    for (let n = 0; n < missing.length; n += LINES) {
      const some = missing.slice(n, n + LINES);
      const found = await translate({ ...pair, lines: some, alternatives: ALTERNATIVES, signal });
      if (signal.aborted) return;
      if (records.size > KEPT) records = new Map([...records].filter(([line]) => lines.includes(line)));
      some.forEach((line, i) => records.set(line, found[i]));
      show(lines, records);
    }
  } catch (error) {
    if (!signal.aborted) failed(error, run);
    return;
  }
  problem("");
  delay = 0;
  target.ariaBusy = "false";
  show(lines, records);
}

function failed(error, again) {
  target.ariaBusy = "false";
  if (error.retryAfter === undefined) return problem(error.message);
  delay = Math.min(30, Math.max(error.retryAfter, 2 * (delay || 0)));
  problem(`${error.message} Your text is kept. The page tries again in ${delay} s.`);
  clearTimeout(timer);
  timer = setTimeout(again, 1000 * delay);
}

function problem(text) {
  if (at("problem").textContent !== text) at("problem").textContent = text;
}

function count() {
  const found = length();
  at("count").textContent = [found, limit].filter(Number.isFinite).map((n) => n.toLocaleString("en")).join(" / ");
  at("count").classList.toggle("over", found > limit);
  at("clear").hidden = !found;
}

function length() {
  return [...source.value].length; // characters as Python counts them
}

/** Do something with what the tab keeps for the next time it is loaded; a browser may forbid that. */
function kept(action) {
  try {
    return action(sessionStorage);
  } catch {
    return null;
  }
}

// Languages

async function open() {
  try {
    [known, limit] = await Promise.all([languages(), characterLimit()]);
  } catch (error) {
    return failed(error, open);
  }
  known = known.map((each) => ({ ...each, targets: each.targets.filter((code) => code !== each.code) }));
  known = known.filter((each) => each.targets.length);
  fill(from, known.map((each) => each.code));
  for (const element of [from, to]) element.disabled = false;
  source.value ||= kept((storage) => storage.getItem("text")) ?? "";
  follow();
}

/** Do as the address says: #de/en, or #de/en/text. The text is taken out of it, for it may be private. */
function follow() {
  const [src, trg, ...rest] = location.hash.slice(1).split("/");
  const text = rest.join("/");
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
  forget();
  history.replaceState(null, "", `#${from.value}/${to.value}`);
  get();
}

/** Have the pair loaded before there is text, where there is anything to load. */
async function get() {
  const pair = { source: from.value, target: to.value };
  try {
    await prepare(pair, loading);
  } catch (error) {
    if (pair.source === from.value && pair.target === to.value) failed(error, again);
  }
}

function again() {
  get();
  run();
}

function loading(text) {
  if (at("loading").textContent !== text) at("loading").textContent = text;
}

for (const select of [from, to])
  select.addEventListener("change", () => {
    pick(from.value, to.value);
    typed(0);
  });

swap.addEventListener("click", () => {
  source.value = translation() || source.value;
  pick(to.value, from.value);
  typed(0);
});

addEventListener("hashchange", () => known.length && follow());

// Type, clear, copy

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

// Start

at("footnote").textContent = footnote.text + " ";
if (footnote.href)
  at("footnote").append(Object.assign(document.createElement("a"), { href: footnote.href, textContent: footnote.label }));
if (document.activeElement === document.body) source.focus({ preventScroll: true });
count();
open();
