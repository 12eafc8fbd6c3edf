// Find what no model may change, such as addresses and placeholders, and hide it behind names; as in
// nmt/decoding/spans.py.

import { sentenceEnds } from "./sentences.js";
import { BLANK, WORD, first, last, strip, stripLeft, stripRight } from "./text.js";

// Names that a model trained on everyday text copies; of other models the translation is checked.
const NAMES = ["Tom", "Paris", "Boston", "John", "Tokyo", "Maria"];

const TAG = "</?[A-Za-z][^<>]*>";
const IN_BRACKETS = String.raw`\([^${BLANK}<>()]*\)|\{[^${BLANK}<>{}]*\}`;
const PLACE =
  `(?:[^${BLANK}<>"“”«»(){}]|${IN_BRACKETS})*` +
  String.raw`(?:[^${BLANK}<>"“”«»(){}.,;:!?'’\]*$%]|${IN_BRACKETS})`;
const EDGE = `(?:(?<=[${WORD}])(?![${WORD}])|(?<![${WORD}])(?=[${WORD}]))`;
const WHOLE = [
  `(?:https?|ftp)://${PLACE}`,
  String.raw`${EDGE}www\.[${WORD}\-]+(?:\.[${WORD}\-]+)+(?:/${PLACE}|/)?`,
  String.raw`${EDGE}(?:mailto:)?[${WORD}.+\-]+@[${WORD}\-]+(?:\.[${WORD}\-]+)+`,
  String.raw`\{\{[^{}]*\}\}|[$#]\{[^{}${BLANK}]+\}|\{[^{}${BLANK}]*\}`,
  String.raw`%\([${WORD}]+\)[\-#0+ ]*\p{Nd}*(?:\.\p{Nd}+)?[A-Za-z]`,
  String.raw`(?<![${WORD}%])%(?:\p{Nd}+\$)?[\-#0+]*\p{Nd}*(?:\.\p{Nd}+)?(?:l|ll|h|z)?[diouxXeEfFgGcsr@](?![${WORD}])`,
].join("|");
const SPAN = new RegExp(`(?:${WHOLE}|${TAG})+`, "gu");
const TAGS = new RegExp(TAG, "u");
const ENDED = new RegExp(`(?:^|[.!?:;…。！？])[${BLANK}]*$`, "u");
const BEGINS = new RegExp(`^[${BLANK}]*(?:$|[.!?…。！？]+[${BLANK}]*$|[.!?…。！？]+[${BLANK}])`, "u");
const LEADING = new RegExp(String.raw`^([${BLANK}]*)([.,;:!?…)\]»”’]+)(?=[${BLANK}]|$)`, "u");
const LETTER_OR_DIGIT = /[\p{L}\p{N}]/u;

/**
 * A stretch of a line, and the white space before it; kept: it is not translated.
 * @typedef {{space: string, text: string, kept: boolean}} Piece
 */

/** A text in which names stand for the spans that no model may change. */
export class Masked {
  /** @param {string} text @param {Map<string, string>} spans - name → span */
  constructor(text, spans) {
    this.text = text;
    this.spans = spans;
    this.names = new RegExp(`(?<![${WORD}])(?:${[...spans.keys()].join("|")})(?![${WORD}])`, "gu");
  }

  /**
   * Return the text with a name for each span; null if there are too few names, or one cannot stand.
   * @param {string} text
   */
  static of(text) {
    const found = spansOf(text);
    const free = NAMES.filter((name) => !text.includes(name));
    const alone = found.every(({ begin, end }) => standsApart(text, begin, end));
    if (found.length > free.length || !alone) return null;
    let next = 0;
    const masked = text.replace(SPAN, () => free[next++]);
    return new Masked(masked, new Map(found.map((span, n) => [free[n], span.text])));
  }

  /** Return a translation with the spans in place of their names; null if one is not there once. */
  restore(text) {
    const found = this.spans.size ? [...text.matchAll(this.names)].map((name) => name[0]) : [];
    const once = found.length === this.spans.size && new Set(found).size === found.length;
    return once ? this.restoreWord(text) : null;
  }

  /** Return a word, or several, with the spans in place of the names that it holds. */
  restoreWord(word) {
    return this.spans.size ? word.replace(this.names, (name) => this.spans.get(name)) : word;
  }
}

/** Say whether there is anything in the text that no model may change. */
export function hasSpans(text) {
  return text.search(SPAN) >= 0;
}

/**
 * Return the pieces of a text: its sentences, and tags and spans that stand outside of them.
 * @param {string} text
 * @returns {Piece[]}
 */
export function sentencePieces(text) {
  const outside = ({ begin, end, text: span }) =>
    TAGS.test(span) || (BEGINS.test(text.slice(end)) && ENDED.test(text.slice(0, begin)));
  return cut(text, spansOf(text).filter(outside)).flatMap((piece) => (piece.kept ? [piece] : sentences(piece)));
}

/**
 * Return the pieces of a text, cut at every span.
 * @param {string} text
 * @returns {Piece[]}
 */
export function allPieces(text) {
  return cut(text, spansOf(text));
}

function spansOf(text) {
  return [...text.matchAll(SPAN)].map(({ 0: span, index }) => ({ text: span, begin: index, end: index + span.length }));
}

function cut(text, spans) {
  const pieces = [];
  let from = 0;
  for (const { begin, end, text: span } of spans) {
    const between = text.slice(from, begin);
    pieces.push(...stretch(between), { space: spaceBefore(between), text: span, kept: true });
    from = end;
  }
  return [...pieces, ...stretch(text.slice(from))];
}

/** Return the sentences of a piece; none ends within a span. */
function sentences({ space, text }) {
  const spans = spansOf(text);
  const ends = sentenceEnds(text).filter((place) => !spans.some(({ begin, end }) => begin < place && place < end));
  const begins = [0, ...ends];
  return begins.flatMap((begin, n) => {
    const before = begin ? spaceBefore(text.slice(0, begin)) : space;
    return stretch(before + text.slice(begin, begins[n + 1] ?? text.length));
  });
}

/** Return the white space that a text ends with. */
function spaceBefore(text) {
  return text.slice(stripRight(text).length);
}

/** Return the text between two spans, if there is any, as pieces; punctuation at its begin is kept. */
function stretch(text) {
  const pieces = [];
  const leading = LEADING.exec(text);
  if (leading) pieces.push({ space: leading[1], text: leading[2], kept: true });
  const rest = text.slice(leading ? leading[0].length : 0);
  const stripped = strip(rest);
  const space = rest.slice(0, rest.length - stripLeft(rest).length);
  if (stripped) pieces.push({ space, text: stripped, kept: !LETTER_OR_DIGIT.test(stripped) });
  return pieces;
}

/** Say whether no letter or digit touches the span. */
function standsApart(text, begin, end) {
  return ![last(text.slice(0, begin)), first(text.slice(end))].some((each) => LETTER_OR_DIGIT.test(each));
}
