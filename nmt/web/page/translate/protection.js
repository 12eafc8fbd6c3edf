// Translate lines so that addresses, placeholders and tags come out as they are, each once; as in
// nmt/decoding/protection.py.

import { Masked, allPieces, hasSpans, sentencePieces } from "./spans.js";
import { splitWords, strip } from "./text.js";
import { bestOfEach } from "./translation.js";

/** @typedef {import("./translation.js").Translation} Translation */
/** @typedef {import("./spans.js").Piece} Piece */

/**
 * Return the translation of each line, with up to nBest different ones, every span whole and once.
 *
 * Within a sentence a name takes the place of a span, and is replaced again; a translation that lost it is
 * dropped. If none is left, the text around the spans is translated in pieces.
 * @param {(lines: string[]) => Promise<Translation[]>} translate
 * @param {string[]} lines
 * @param {number} nBest
 * @returns {Promise<Translation[]>}
 */
export async function translateProtected(translate, lines, nBest) {
  async function inPieces(cut, inner, texts) {
    const pieces = texts.map(cut);
    const found = await inner(pieces.flat().filter((piece) => !piece.kept).map((piece) => piece.text));
    return pieces.map((line) => join(line, line.map((piece) => (piece.kept ? kept(piece) : found.shift())), nBest));
  }

  async function named(texts) {
    const masked = texts.map(Masked.of);
    const possible = await translate(masked.filter(Boolean).map((each) => each.text));
    const found = masked.map((each) => each && restored(each, possible.shift()));
    const rest = await inPieces(allPieces, translate, texts.filter((_, n) => !found[n]));
    return found.map((each) => each ?? rest.shift());
  }

  const plain = await translate(lines.filter((line) => !hasSpans(line)));
  const others = await inPieces(sentencePieces, named, lines.filter(hasSpans));
  return lines.map((line) => (hasSpans(line) ? others : plain).shift());
}

/** Return the translation with its spans, without those of the n best that lost one; null if all did. */
function restored(masked, translation) {
  const ranked = translation.flatMap(({ text, score, parts }) => {
    const found = masked.restore(text);
    return found === null ? [] : [{ text: found, score, parts: parts.map((part) => withSpans(masked, part)) }];
  });
  return ranked.length ? ranked : null;
}

function withSpans(masked, part) {
  const [srcWords, trgWords] = [part.srcWords, part.trgWords].map((words) => words.map((word) => masked.restoreWord(word)));
  return { ...part, srcWords, trgWords };
}

/** Return the translation of a piece that stays as it is. */
function kept({ text }) {
  const words = splitWords(text);
  const weights = words.map((_, row) => words.map((_, column) => Number(row === column)));
  const confidence = words.map(() => 1);
  const detail = { srcWords: words, trgWords: words, weights, spaced: true, apart: true, confidence };
  return [{ text, score: 0, parts: [detail] }];
}

/**
 * Return the translation of a line from those of its pieces.
 * @param {Piece[]} pieces
 * @param {Translation[]} found
 * @param {number} nBest
 * @returns {Translation}
 */
function join(pieces, found, nBest) {
  return bestOfEach(found, nBest).map(({ score, chosen }) => ({
    text: strip(chosen.map((each, n) => pieces[n].space + each.text).join("")),
    score,
    parts: chosen.flatMap(({ parts }, n) => {
      const spaced = n + 1 === pieces.length || pieces[n + 1].space !== ""; // the end of the line is as good
      return parts.map((part, at) => (at + 1 < parts.length ? part : { ...part, spaced, apart: spaced }));
    }),
  }));
}
