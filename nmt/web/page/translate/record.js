// A translation as the page reads it: what of nmt/evaluation/record.py it shows.

/** @typedef {import("./translation.js").Detail} Detail */
/** @typedef {{text: string, confidence: number, attention: number[]}} WordRecord */

/**
 * Return the record of a line's translation. Of a line in parts, the words count through the line; a word
 * looks at no other part than its own.
 * @param {import("./translation.js").Translation} translation
 */
export function translationRecord([best, ...others]) {
  return { ...candidate(best), source_words: sourceWords(best.parts), alternatives: others.map(candidate) };
}

function candidate({ text, score, parts }) {
  return { text, score, words: targetWords(parts) };
}

/** @param {Detail[]} parts */
function sourceWords(parts) {
  const words = [];
  let spaced = true;
  for (const part of parts) {
    const [first, ...others] = part.srcWords;
    words.push(spaced ? first : words.pop() + first, ...others);
    spaced = part.spaced;
  }
  return words;
}

/**
 * Return the words of all parts; one that goes on in the next part is as doubtful as its worse half.
 * @param {Detail[]} parts
 * @returns {WordRecord[]}
 */
function targetWords(parts) {
  const count = sourceWords(parts).length;
  const words = [];
  let before = 0;
  let apart = true;
  for (const { srcWords, trgWords, weights, confidence, ...part } of parts) {
    const behind = Array(count - before - srcWords.length).fill(0);
    const found = trgWords.map((text, n) => {
      return { text, confidence: confidence[n], attention: [...Array(before).fill(0), ...weights[n], ...behind] };
    });
    if (found.length && !apart) found[0] = together(words.pop(), found[0]);
    words.push(...found);
    before += srcWords.length - (part.spaced ? 0 : 1);
    if (found.length) apart = part.apart;
  }
  return words;
}

function together(a, b) {
  return {
    text: a.text + b.text,
    confidence: Math.min(a.confidence, b.confidence),
    attention: a.attention.map((weight, n) => (weight + b.attention[n]) / 2),
  };
}
