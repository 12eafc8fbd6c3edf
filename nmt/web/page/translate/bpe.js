// Byte-pair encoding (Sennrich et al. 2016) with the order of merges that sentencepiece has.

/**
 * Return the tokens of a word: of neighbours that are a token together, the best score is merged first, of
 * equal ones the leftmost.
 * @param {string[]} characters
 * @param {(token: string) => number | null} score - null for what is no token
 * @returns {string[]}
 */
export function mergeAll(characters, score) {
  const symbols = [...characters]; // "" where one was merged into another
  const before = symbols.map((_, n) => n - 1);
  const after = symbols.map((_, n) => (n + 1 < symbols.length ? n + 1 : -1));
  const agenda = new Agenda();

  function consider(left, right) {
    if (left < 0 || right < 0) return;
    const token = symbols[left] + symbols[right];
    const found = score(token);
    if (found !== null) agenda.push({ left, right, score: found, token });
  }

  for (let n = 1; n < symbols.length; n++) consider(n - 1, n);
  for (let best = agenda.pop(); best; best = agenda.pop()) {
    const { left, right, token } = best;
    // One of the two has been merged since, where they are no longer this token.
    if (!symbols[left] || !symbols[right] || symbols[left] + symbols[right] !== token) continue;
    symbols[left] = token;
    symbols[right] = "";
    after[left] = after[right];
    if (after[right] >= 0) before[after[right]] = left;
    consider(before[left], left);
    consider(left, after[left]);
  }
  return symbols.filter(Boolean);
}

/** Pairs, of which the one with the best score, then the leftmost, comes out first: a binary heap. */
class Agenda {
  pairs = [];

  push(pair) {
    const pairs = this.pairs;
    let n = pairs.push(pair) - 1;
    for (let above; n > 0 && precedes(pair, pairs[(above = (n - 1) >> 1)]); n = above) pairs[n] = pairs[above];
    pairs[n] = pair;
  }

  pop() {
    const pairs = this.pairs;
    const best = pairs[0];
    const last = pairs.pop();
    if (!pairs.length) return best;
    let n = 0;
    for (let below; (below = 2 * n + 1) < pairs.length; n = below) {
      if (below + 1 < pairs.length && precedes(pairs[below + 1], pairs[below])) below++;
      if (!precedes(pairs[below], last)) break;
      pairs[n] = pairs[below];
    }
    pairs[n] = last;
    return best;
  }
}

function precedes(a, b) {
  return a.score > b.score || (a.score === b.score && a.left < b.left);
}
