// From attention between tokens to attention between words; as in nmt/evaluation/alignment.py.

import { strip } from "./text.js";

/**
 * Return the details over words, from the ids of a sentence pair and the details of its tokens.
 * @param {{src: object, trg: object}} tokenizers
 * @param {number[]} srcIds
 * @param {import("./engine.js").Hypothesis} found
 * @param {[number, number][]} curve - of the confidence in words of given log-probabilities
 */
export function detail({ src, trg }, srcIds, { ids, attention, logProbs }, curve) {
  const [source, target] = [words(src, srcIds), words(trg, ids)];
  return {
    srcWords: source.map(({ text }) => text),
    trgWords: target.map(({ text }) => text),
    weights: mergeTokens(attention, source, target),
    confidence: target.map(({ begin, end }) => confidence(sum(logProbs.slice(begin, end)), curve)),
  };
}

/** Return each word of some tokens: its text, its first token and the one behind its last. */
function words(tokenizer, ids) {
  const starts = tokenizer.wordStarts(ids);
  const begins = ids.map((_, n) => n).filter((n) => starts[n]);
  return begins.map((begin, n) => {
    const end = begins[n + 1] ?? ids.length;
    return { begin, end, text: strip(tokenizer.decode(ids.slice(begin, end))) };
  });
}

/** Return attention between words: the sum over the source tokens of one, the mean over its target tokens. */
function mergeTokens(attention, source, target) {
  return target.map((trg) => {
    const rows = attention.slice(trg.begin, trg.end);
    return source.map((src) => sum(rows.map((row) => sum(row.slice(src.begin, src.end)))) / rows.length);
  });
}

function sum(numbers) {
  return numbers.reduce((a, b) => a + b, 0);
}

/** Return the confidence in a word: on the curve, level beyond its ends; without one its probability. */
function confidence(logProb, curve) {
  if (!curve.length) return Math.exp(logProb);
  const n = curve.findIndex(([x]) => logProb < x);
  if (n <= 0) return n ? curve.at(-1)[1] : curve[0][1];
  const [[x0, y0], [x1, y1]] = [curve[n - 1], curve[n]];
  return y0 + ((y1 - y0) * (logProb - x0)) / (x1 - x0);
}
