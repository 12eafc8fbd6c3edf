// The sentences of the report: chosen, ordered, compared word by word, with a map of attention on request.
"use strict";

const data = JSON.parse(document.getElementById("data").textContent);
const AT_ONCE = 20; // sentences that are added at a time
const MOST_CELLS = 4_000_000; // of a comparison of two texts
const REFERENCE = -1;
const by = (id) => document.getElementById(id);

const WHICH = [
  ["", "all sentences"],
  ["r", "outputs that repeat a phrase"],
  ["w", "outputs with words of the source"],
  ["c", "outputs that copy the source"],
  ["e", "empty outputs"],
  ["u", "sources with words never seen in training"],
];
const ORDERS = [
  ["worst", "worst first", (a) => a.o[one()].s],
  ["best", "best first", (a) => -a.o[one()].s],
  ["won", "better than the other first", (a) => otherScore(a) - a.o[one()].s],
  ["lost", "worse than the other first", (a) => a.o[one()].s - otherScore(a)],
  ["text", "as in the text", (a) => a.n],
  ["long", "longest source first", (a) => -a.s.length],
];

function one() {
  return Number(by("one").value);
}

function other() {
  return Number(by("other").value);
}

function otherScore(sentence) {
  return other() === REFERENCE ? 100 : sentence.o[other()].s;
}

/** Make an element with text and children; text is never markup. */
function make(name, content = [], attributes = {}) {
  const made = document.createElement(name);
  made.append(...(Array.isArray(content) ? content : [content]));
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

function fill(id, options) {
  by(id).replaceChildren(...options.map(([value, text]) => make("option", text, { value })));
}

/** The units that two texts are compared in: words, or characters where neither has a space. */
function units(text, alone) {
  return alone ? [...text] : text.split(/\s+/).filter(Boolean);
}

/** Say of each unit of both texts whether it is in their longest common subsequence. */
function common(a, b) {
  const inA = a.map(() => false);
  const inB = b.map(() => false);
  if (a.length * b.length > MOST_CELLS) return [inA, inB];
  const width = b.length + 1;
  const longest = new Uint16Array((a.length + 1) * width);
  for (let i = a.length - 1; i >= 0; i--) {
    for (let j = b.length - 1; j >= 0; j--) {
      const [below, right] = [longest[(i + 1) * width + j], longest[i * width + j + 1]];
      longest[i * width + j] = a[i] === b[j] ? longest[(i + 1) * width + j + 1] + 1 : Math.max(below, right);
    }
  }
  for (let i = 0, j = 0; i < a.length && j < b.length; ) {
    if (a[i] === b[j]) inA[i++] = inB[j++] = true;
    else if (longest[(i + 1) * width + j] >= longest[i * width + j + 1]) i++;
    else j++;
  }
  return [inA, inB];
}

/** The text with its units marked that the other text lacks; neighbours share one mark. */
function marked(found, inBoth, space) {
  const nodes = [];
  for (let at = 0; at < found.length; ) {
    let end = at + 1;
    while (end < found.length && inBoth[end] === inBoth[at]) end++;
    const text = found.slice(at, end).join(space);
    nodes.push(inBoth[at] ? text : make("mark", text));
    if (end < found.length) nodes.push(space);
    at = end;
  }
  return nodes;
}

/** Both texts with their differences marked. */
function compared(a, b) {
  const alone = !/\s/.test(a.trim() + b.trim());
  const [left, right] = [units(a, alone), units(b, alone)];
  const [inLeft, inRight] = common(left, right);
  const space = alone ? "" : " ";
  return [marked(left, inLeft, space), marked(right, inRight, space)];
}

function line(term, content, language) {
  const attributes = language ? { dir: "auto", lang: language } : { dir: "auto" };
  const empty = content.length === 0 || content === "";
  const shown = empty ? [make("span", "empty", { class: "none" })] : content;
  return make("div", [make("dt", term), make("dd", shown, attributes)]);
}

function title(system, output) {
  return [`${data.systems[system]} `, make("span", `chrF ${output.s.toFixed(1)}`, { class: "score" })];
}

function sentence(it) {
  const [a, b] = [one(), other()];
  const { src, trg } = data.languages;
  const texts = compared(it.o[a].t, b === REFERENCE ? it.r : it.o[b].t);
  const lines = [
    line("Source", it.s, src),
    line("Reference", b === REFERENCE ? texts[1] : it.r, trg),
    line(title(a, it.o[a]), texts[0], trg),
  ];
  if (b !== REFERENCE) lines.push(line(title(b, it.o[b]), texts[1], trg));
  const panel = make("div", [], { id: `map-${it.n}`, hidden: "" });
  const button = make("button", "Attention and confidence", {
    type: "button",
    "aria-expanded": "false",
    "aria-controls": panel.id,
    "aria-label": `Attention and confidence, sentence ${it.n + 1}`,
  });
  button.addEventListener("click", () => {
    panel.hidden = !panel.hidden;
    button.setAttribute("aria-expanded", String(!panel.hidden));
    if (!panel.firstChild) panel.append(...[a, b].filter((of) => of !== REFERENCE).map((of) => map(it, of)));
  });
  return make("li", [make("h3", `Sentence ${it.n + 1}`), make("dl", lines), button, panel]);
}

function bytes(text) {
  return Uint8Array.from(atob(text), (char) => char.charCodeAt(0));
}

function fraction(byte) {
  return (byte / 255).toFixed(2).replace(/^0(?=\.)/, "");
}

/** The map of an output: a row for each of its words, a column for each word of the source. */
function map(it, system) {
  const output = it.o[system];
  const name = `Attention of ${data.systems[system]}, sentence ${it.n + 1}`;
  const source = output.f ?? it.s.split(" ");
  const words = output.w ?? output.t.split(" ");
  if (output.a === undefined || output.t === "") return make("p", `${name}: there is none.`, { class: "note" });
  const [looks, sure] = [bytes(output.a), bytes(output.c)];
  const head = source.map((word) => make("th", make("span", word, { dir: "auto" }), { scope: "col" }));
  const rows = words.map((word, row) => {
    const cells = source.map((_, column) => {
      const look = looks[row * source.length + column];
      const cell = make("td", look >= 13 ? fraction(look) : "");
      cell.style.setProperty("--a", `${(look / 2.55).toFixed(0)}%`);
      return cell;
    });
    const confident = make("td", fraction(sure[row]), { class: "sure" });
    return make("tr", [make("th", word, { scope: "row", dir: "auto" }), ...cells, confident]);
  });
  const top = make("tr", [
    make("th", "word of the output", { scope: "col" }),
    ...head,
    make("th", "confidence", { scope: "col" }),
  ]);
  const table = make("table", [make("caption", name), make("thead", top), make("tbody", rows)]);
  return make("div", table, { class: "scroll map", role: "region", tabindex: "0", "aria-label": name });
}

let chosen = [];
let shown = 0;

function more() {
  const next = chosen.slice(shown, shown + AT_ONCE).map(sentence);
  by("list").append(...next);
  shown += next.length;
  by("status").textContent = chosen.length
    ? `${shown.toLocaleString("en")} of ${chosen.length.toLocaleString("en")} sentences`
    : "No sentence fits.";
  by("more").hidden = shown >= chosen.length;
  return next;
}

function show() {
  const which = by("which").value;
  const text = by("find").value.toLowerCase();
  const key = ORDERS.find(([name]) => name === by("order").value)[2];
  chosen = data.sentences
    .filter((it) => !which || (it.x ?? "").includes(which) || (it.o[one()].x ?? "").includes(which))
    .filter((it) => !text || [it.s, it.r, ...it.o.map((output) => output.t)].join("\n").toLowerCase().includes(text))
    .map((it) => [key(it), it])
    .sort(([a, x], [b, y]) => a - b || x.n - y.n)
    .map(([, it]) => it);
  const against = other() === REFERENCE ? "the reference" : data.systems[other()];
  by("legend").textContent = `Marked: words of ${data.systems[one()]} that ${against} lacks, and the other way round. Scores are sentence chrF2.`;
  by("list").replaceChildren();
  shown = 0;
  more();
}

/** A system is compared with the reference or with another system. */
function offerOthers() {
  const before = by("other").value;
  const others = data.systems.map((name, place) => [String(place), name]).filter(([place]) => place !== by("one").value);
  fill("other", [[String(REFERENCE), "the reference"], ...others]);
  if (others.some(([place]) => place === before)) by("other").value = before;
}

fill("which", WHICH);
fill("order", ORDERS.map(([name, text]) => [name, text]).filter(([name]) => data.systems.length > 1 || !["won", "lost"].includes(name)));
fill("one", data.systems.map((name, place) => [String(place), name]));
offerOthers();
by("one").closest("p").hidden = by("other").closest("p").hidden = data.systems.length < 2;
by("one").addEventListener("change", offerOthers);
by("controls").addEventListener("input", show);
by("controls").addEventListener("submit", (event) => event.preventDefault());
by("more").addEventListener("click", () => more()[0]?.querySelector("button").focus());
by("controls").hidden = false;
show();
