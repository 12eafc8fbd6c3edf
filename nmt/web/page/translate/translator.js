// Lines of text in, translations out: in order, one for one; as in nmt/decoding/translator.py.

import { detail } from "./alignment.js";
import { translateProtected } from "./protection.js";
import { countSentences } from "./sentences.js";
import { endsTight, endsWithoutSpace, splitText } from "./splitting.js";
import { strip } from "./text.js";
import { bestOfEach } from "./translation.js";

/** @typedef {import("./engine.js").Hypothesis} Hypothesis */
/** @typedef {import("./translation.js").Translation} Translation */

/**
 * A stretch of a line that is translated as a whole, the tag's id before its ids. spaced: white space stands behind it. ended: it does not
 * end within a word.
 * @typedef {{text: string, ids: number[], spaced: boolean, ended: boolean}} Part
 */

/**
 * What is translated as a whole: a source of so many tokens, or several sentences together of so many tokens.
 * @typedef {{max_source: number, tokens: number, sentences: number}} Limits
 */

/** Translates text with an engine and two tokenizers. */
export class Translator {
  /**
   * @param {import("./engine.js").GraphEngine} engine
   * @param {{src: object, trg: object}} tokenizers
   * @param {{limits: Limits, normalize: "none" | "nfc", confidence: [number, number][], tag: string}} settings -
   *   tag: the token before the sources, "" for none
   */
  constructor(engine, tokenizers, { limits, normalize, confidence, tag }) {
    this.engine = engine;
    this.tokenizers = tokenizers;
    this.limits = limits;
    this.form = normalize;
    this.confidence = confidence;
    this.tag = tag ? [tokenizers.src.tokens.indexOf(tag)] : [];
  }

  /**
   * Return the translation of each line, in order, with up to nBest different ones of each.
   *
   * A line with more sentences or tokens than training showed is cut at sentence ends; a sentence of more than
   * max_source tokens at clause ends, else spaces, else anywhere. Addresses, placeholders and tags come out as
   * they are.
   * @param {string[]} lines
   * @param {number} nBest
   */
  translations(lines, nBest) {
    return translateProtected((some) => this.#translations(some, nBest), lines, nBest);
  }

  async #translations(lines, nBest) {
    const parts = lines.map((line) => this.parts(line));
    const found = await this.engine.hypotheses(parts.flat().map((part) => part.ids), nBest);
    return parts.map((line) => this.#join(line, line.map(() => found.shift()), nBest));
  }

  /**
   * Return the stretches that the line is translated in, none for a blank one.
   * @param {string} line
   * @returns {Part[]}
   */
  parts(line) {
    const text = this.#normalize(line);
    if (!text) return [];
    const { max_source, tokens, sentences } = this.limits;
    const fits = (some) => this.#encode(some).length <= max_source;
    const together = (some) =>
      countSentences(some) <= sentences && this.#encode(some).length <= Math.min(max_source, tokens);
    const stretches = splitText(text, fits, together);
    return stretches.flatMap((stretch, n) => {
      const ids = this.#encode(stretch);
      const after = stretches[n + 1] ?? "";
      const spaced = strip(stretch.slice(-1)) === "" || (after !== "" && strip(after[0]) === "");
      const ended = spaced || !after || endsWithoutSpace(stretch);
      return ids.length ? [{ text: stretch, ids, spaced, ended }] : [];
    });
  }

  #normalize(text) {
    return strip(this.form === "nfc" ? text.normalize("NFC") : text);
  }

  #encode(text) {
    const ids = this.tokenizers.src.encode(this.#normalize(text));
    return ids.length ? [...this.tag, ...ids] : ids;
  }

  /**
   * Return the translation of a line from what was found for its parts.
   * @param {Part[]} parts
   * @param {Hypothesis[][]} found
   * @param {number} nBest
   * @returns {Translation}
   */
  #join(parts, found, nBest) {
    if (!parts.length) return [{ text: "", score: 0, parts: [] }];
    const distinct = found.map((all) => this.#distinct(all).slice(0, nBest === 1 ? 1 : undefined));
    return bestOfEach(distinct, nBest).map(({ score, chosen }) => {
      const apart = chosen.map(({ text }, n) => parts[n].ended && text !== "" && !endsTight(text));
      return {
        text: chosen.map(({ text }, n) => text + (apart[n] ? " " : "")).join("").replace(/ +$/, ""),
        score,
        parts: chosen.map((each, n) => this.#detail(parts[n], each, apart[n])),
      };
    });
  }

  /**
   * Return the best hypothesis of each text, in order, with its text.
   * @param {Hypothesis[]} found
   * @returns {(Hypothesis & {text: string})[]}
   */
  #distinct(found) {
    const all = found.map((each) => ({ ...each, text: this.tokenizers.trg.decode(each.ids) }));
    return all.filter(({ text }, n) => all.findIndex((other) => other.text === text) === n);
  }

  #detail(part, found, apart) {
    const first = this.tag.length; // which is no word
    const attention = found.attention.map((row) => row.slice(first));
    const made = detail(this.tokenizers, part.ids.slice(first), { ...found, attention }, this.confidence);
    return { ...made, spaced: part.spaced, apart };
  }
}
