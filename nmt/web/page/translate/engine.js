// The engine of an exported graph: encoder and beam search in one call of ONNX Runtime; as in
// nmt/runtime/engine.py.

import { EOS, PAD } from "./tokenizers.js";

/**
 * What a search found: ids without </s>, its score, and of each of its tokens its attention to the source and
 * its log-probability, </s> last.
 * @typedef {{ids: number[], score: number, attention: number[][], logProbs: number[]}} Hypothesis
 */

/**
 * How to search; see nmt/runtime/manifest.py.
 * @typedef {{beam: number, alpha: number, offset: number, max_ratio: number, max_extra: number,
 *   tokens_per_batch: number}} Search
 */

/** Searches with the graph of one model. */
export class GraphEngine {
  /** @param {object} ort - onnxruntime-web @param {object} session @param {Search} search */
  constructor(ort, session, search) {
    this.ort = ort;
    this.session = session;
    this.search = search;
  }

  /** The number of hypotheses that the search keeps. */
  get beam() {
    return this.search.beam;
  }

  /**
   * Return the nBest that the search finds for each row of source ids, the best first; some may be missing.
   * @param {number[][]} rows
   * @param {number} nBest
   * @returns {Promise<Hypothesis[][]>}
   */
  async hypotheses(rows, nBest) {
    const results = [];
    for (const chosen of byLength(rows, Math.floor(this.search.tokens_per_batch / this.beam))) {
      const found = await this.#found(chosen.map((n) => rows[n]), nBest);
      chosen.forEach((n, place) => (results[n] = found[place]));
    }
    if (!results.every((found) => found.length)) throw new Error("The model gives no translation a probability above 0.");
    return results;
  }

  /** Return the longest output for a source of this length, </s> counted on both sides. */
  limit(length) {
    const { max_ratio, max_extra } = this.search;
    return Math.max(1, Math.trunc(Math.fround(length * Math.fround(max_ratio))) + max_extra);
  }

  async #found(rows, nBest) {
    const lengths = rows.map((row) => row.length + 1);
    const width = Math.max(...lengths);
    const src = rows.flatMap((row) => [...row, EOS, ...Array(width - row.length - 1).fill(PAD)]);
    const { beam, alpha, offset } = this.search;
    const outputs = await this.session.run({
      src: this.#whole(src, [rows.length, width]),
      src_len: this.#whole(lengths),
      limits: this.#whole(lengths.map((length) => this.limit(length))),
      beam: this.#whole([beam]),
      n_best: this.#whole([nBest]),
      alpha: new this.ort.Tensor("float64", [alpha]),
      offset: new this.ort.Tensor("float64", [offset]),
      details: new this.ort.Tensor("bool", [true], []),
    });
    const [tokens, scores, bySteps] = this.session.outputNames.map((name) => outputs[name]);
    return rows.map((row, b) => {
      const places = Array.from({ length: nBest }, (_, k) => b * nBest + k);
      const found = places.filter((place) => scores.data[place] > -Infinity); // nor what is not a number
      return found.map((place) => hypothesis(tokens, scores.data[place], bySteps, place, row.length));
    });
  }

  #whole(numbers, shape = [numbers.length]) {
    return new this.ort.Tensor("int64", BigInt64Array.from(numbers, BigInt), shape);
  }
}

function hypothesis(tokens, score, bySteps, place, srcLength) {
  const most = tokens.dims[2];
  const row = [...tokens.data.slice(place * most + 1, (place + 1) * most)].map(Number);
  const ids = row.slice(0, row.indexOf(EOS));
  const [, count, width] = bySteps.dims; // of each step: each hypothesis' attention, and its log-probability
  const steps = [...ids, EOS].map((_, t) => (t * count + place) * width);
  return {
    ids,
    score,
    attention: steps.map((begin) => [...bySteps.data.slice(begin, begin + srcLength)]),
    logProbs: steps.map((begin) => bySteps.data[begin + width - 1]),
  };
}

/** Return row numbers in batches of similar length and so many tokens, the longest first. */
function byLength(rows, tokens) {
  const batches = [];
  let width = 0;
  for (const n of rows.map((_, n) => n).sort((a, b) => rows[b].length - rows[a].length)) {
    if (!batches.length || (batches.at(-1).length + 1) * width > tokens) {
      batches.push([]);
      width = rows[n].length + 1;
    }
    batches.at(-1).push(n);
  }
  return batches;
}
