// The most probable segmentation under a unigram model (Kudo 2018), in float32 like sentencepiece.

const UNKNOWN = 10; // how much worse than the worst token a character is that is none

/**
 * Return the tokens of a text whose scores add up to most; a character that is no token stands alone.
 * @param {string[]} characters
 * @param {(token: string) => number | null} score - null for what is no token
 * @param {number} worst - the smallest score
 * @param {number} longest - characters of a token
 * @returns {string[]}
 */
export function mostProbable(characters, score, worst, longest) {
  const unknown = Math.fround(worst - UNKNOWN);
  const best = [0]; // the best score of the text up to a place
  const from = [0]; // where its last token begins
  const reach = (begin, end, found) => {
    const sum = Math.fround(found + best[begin]);
    if (from[end] !== undefined && sum <= best[end]) return;
    best[end] = sum;
    from[end] = begin;
  };
  for (let begin = 0; begin < characters.length; begin++) {
    let token = "";
    let alone = false;
    for (let end = begin + 1; end <= Math.min(characters.length, begin + longest); end++) {
      token += characters[end - 1];
      const found = score(token);
      if (found === null) continue;
      reach(begin, end, found);
      alone ||= end === begin + 1;
    }
    if (!alone) reach(begin, begin + 1, unknown);
  }
  const tokens = [];
  for (let end = characters.length; end > 0; end = from[end]) {
    tokens.unshift(characters.slice(from[end], end).join(""));
  }
  return tokens;
}
