// A translation of a line: the n best texts, with their scores and details; as in nmt/decoding/translation.py.

/**
 * How a part of a line became its translation: words, where each looked, and how sure the model is of each.
 * weights: of each target word to each source word. spaced, apart: white space follows in the source, a space
 * in the target; if not, the last word continues in the next part.
 * @typedef {{srcWords: string[], trgWords: string[], weights: number[][], spaced: boolean, apart: boolean,
 *   confidence: number[]}} Detail
 */

/**
 * One of the n best: its text, its penalised log-probability and the details of each part of the line.
 * @typedef {{text: string, score: number, parts: Detail[]}} Ranked
 */

/**
 * The n best translations of a line, the best first.
 * @typedef {Ranked[]} Translation
 */

/**
 * Return the best ways to choose a candidate of each part, best first, with the sums of the scores.
 * @template {{score: number}} T
 * @param {T[][]} found - each part's candidates, in order
 * @param {number} count
 * @returns {{score: number, chosen: T[]}[]}
 */
export function bestOfEach(found, count) {
  return found.reduce(
    (best, candidates) =>
      best
        .flatMap(({ score, chosen }) =>
          candidates.map((each) => ({ score: score + each.score, chosen: [...chosen, each] })),
        )
        .sort((a, b) => b.score - a.score)
        .slice(0, count),
    /** @type {{score: number, chosen: T[]}[]} */ ([{ score: 0, chosen: [] }]),
  );
}
