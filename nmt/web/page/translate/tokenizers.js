// Text ↔ ids, as in nmt/tokenization: the same ids as sentencepiece gives, for any text.

import { mergeAll } from "./bpe.js";
import { printable, splitWords } from "./text.js";
import { mostProbable } from "./unigram.js";

export const [PAD, UNK, , EOS] = [0, 1, 2, 3];
const SPACE = "\u2581";
const KEPT = 10_000; // words whose tokens are kept

/**
 * A tokenizer as `nmt export --format web` describes it.
 * scores: of subwords and characters, null for special tokens and bytes.
 * @typedef {{kind: "bpe" | "unigram" | "char" | "word", tokens: string[], scores: (number | null)[],
 *   specials: number, lowercase: boolean}} Description
 */

/**
 * Return the tokenizer.
 * @param {Description} description
 */
export function makeTokenizer(description) {
  return description.kind === "word" ? new WordTokenizer(description) : new SubwordTokenizer(description);
}

/** Subwords or characters; unseen characters become bytes. */
class SubwordTokenizer {
  /** @param {Description} description */
  constructor({ kind, tokens, scores, specials }) {
    this.tokens = tokens;
    this.specials = specials;
    this.prefix = kind === "char" ? "" : SPACE;
    const ids = new Map();
    this.bytes = new Map(); // byte → id
    this.byteOf = new Map(); // id → byte
    for (let id = specials; id < tokens.length; id++) {
      if (scores[id] !== null) {
        ids.set(tokens[id], id);
        continue;
      }
      const byte = parseInt(tokens[id].slice(3, 5), 16);
      this.bytes.set(byte, id);
      this.byteOf.set(id, byte);
    }
    const score = (token) => scores[ids.get(token) ?? 0];
    this.ids = ids;
    if (kind === "unigram") {
      const known = [...ids.values()].map((id) => scores[id]);
      const longest = Math.max(...[...ids.keys()].map((token) => [...token].length));
      this.segment = (text) => mostProbable([...text], score, known.reduce((a, b) => Math.min(a, b)), longest);
    } else if (kind === "bpe") {
      this.kept = new Map();
      // No token goes on behind a space, so that each word can be looked up.
      this.segment = (text) => text.match(/\u2581[^\u2581]*|[^\u2581]+/g).flatMap((word) => this.known(word, score));
    } else {
      this.segment = (text) => [...text];
    }
  }

  /** Return the tokens of a word, from memory where it was there before. */
  known(word, score) {
    const known = this.kept.get(word);
    if (known) return known;
    const found = mergeAll([...word], score);
    if (this.kept.size >= KEPT) this.kept.clear();
    this.kept.set(word, found);
    return found;
  }

  /**
   * Return the ids of a text, without BOS and EOS.
   * @param {string} text
   * @returns {number[]}
   */
  encode(text) {
    if (!text) return [];
    return this.segment(this.prefix + text.replaceAll(" ", SPACE)).flatMap((token) => {
      const id = this.ids.get(token);
      return id ?? [...new TextEncoder().encode(token)].map((byte) => this.bytes.get(byte));
    });
  }

  /**
   * Return the text of these ids; special ids are skipped, invalid UTF-8 becomes U+FFFD.
   * @param {number[]} ids
   */
  decode(ids) {
    let text = "";
    let bytes = [];
    let begun = false;
    for (const id of ids) {
      if (id < this.specials) continue;
      if (this.byteOf.has(id)) {
        bytes.push(this.byteOf.get(id));
        continue;
      }
      text += decodeBytes(bytes);
      bytes = [];
      const token = this.tokens[id];
      const skipped = !begun && !text && this.prefix && token.startsWith(SPACE);
      begun ||= skipped;
      text += token.slice(skipped ? 1 : 0).replaceAll(SPACE, " ");
    }
    return printable(text + decodeBytes(bytes));
  }

  /**
   * Return which tokens begin a word (text between spaces); the first always does.
   * @param {number[]} ids
   */
  wordStarts(ids) {
    const starts = ids.map(() => false);
    let between = true; // two words
    let gap = 0; // the first token after the last word
    ids.forEach((id, n) => {
      if (id < this.specials) {
        starts[n] = between = true;
        gap = n + 1;
        return;
      }
      const token = this.tokens[id];
      if (token.startsWith(SPACE) && !between) {
        between = true;
        gap = n;
      }
      if (between && token !== SPACE) {
        starts[gap] = true;
        between = false;
      }
    });
    if (starts.length) starts[0] = true;
    return starts;
  }
}

/** Words between white space; rare ones become UNK. */
class WordTokenizer {
  /** @param {Description} description */
  constructor({ tokens, specials, lowercase }) {
    this.tokens = tokens;
    this.specials = specials;
    this.lowercase = lowercase;
    this.ids = new Map();
    for (let id = specials; id < tokens.length; id++) this.ids.set(tokens[id], id);
  }

  /** @param {string} text */
  encode(text) {
    return splitWords(this.lowercase ? text.toLowerCase() : text).map((word) => this.ids.get(word) ?? UNK);
  }

  /** @param {number[]} ids */
  decode(ids) {
    const shown = ids.filter((id) => id === UNK || id >= this.specials);
    return shown.map((id) => printable(this.tokens[id])).join(" ");
  }

  /** @param {number[]} ids */
  wordStarts(ids) {
    return ids.map(() => true);
  }
}

/** Return the text that bytes are in UTF-8, U+FFFD for each byte that is part of no character. */
function decodeBytes(bytes) {
  const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  let text = "";
  for (let n = 0; n < bytes.length; ) {
    const size = bytes[n] < 0x80 ? 1 : bytes[n] < 0xe0 ? 2 : bytes[n] < 0xf0 ? 3 : 4;
    try {
      text += decoder.decode(Uint8Array.from(bytes.slice(n, n + size)));
      n += size;
    } catch {
      text += "\ufffd";
      n += 1;
    }
  }
  return text;
}
