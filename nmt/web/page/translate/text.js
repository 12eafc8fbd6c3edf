// Text as Python sees it: which characters are white space, letters, digits, upper and lower case.

/** Members of a character class: what `str.isspace` and `\s` mean in Python. */
export const BLANK = "\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000";
/** Members of a character class: what `\w` means in Python. */
export const WORD = "\\p{L}\\p{N}_";

const WORDS = new RegExp(`[^${BLANK}]+`, "gu");
const BEFORE = new RegExp(`^[${BLANK}]+`, "u");
const BEHIND = new RegExp(`[^${BLANK}](?=[${BLANK}]*$)`, "u");
// What may end a line, control a terminal or is not a character; as in nmt/tokenization/vocabulary.py.
const UNPRINTABLE = /[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]/gu;

/**
 * Return the words of a text: what stands between white space.
 * @param {string} text
 * @returns {string[]}
 */
export function splitWords(text) {
  return text.match(WORDS) ?? [];
}

/** @param {string} text */
export function stripLeft(text) {
  return text.replace(BEFORE, "");
}

/** @param {string} text */
export function stripRight(text) {
  const last = BEHIND.exec(text);
  return last ? text.slice(0, last.index + last[0].length) : "";
}

/** @param {string} text */
export function strip(text) {
  return stripLeft(stripRight(text));
}

/** Say whether there are cased characters in a text, and all of them are upper case. */
export function isUpper(text) {
  return /\p{Uppercase}/u.test(text) && !/[\p{Lowercase}\p{Lt}]/u.test(text);
}

/** Say whether there are cased characters in a text, and all of them are lower case. */
export function isLower(text) {
  return /\p{Lowercase}/u.test(text) && !/[\p{Uppercase}\p{Lt}]/u.test(text);
}

/** Return the first character of a text, "" of none; it may take two places. */
export function first(text) {
  return text ? String.fromCodePoint(text.codePointAt(0)) : "";
}

/** Return the last character of a text, "" of none; it may take two places. */
export function last(text) {
  return [...text.slice(-2)].at(-1) ?? "";
}

/** Return the text with U+FFFD for control characters, line ends and halves of surrogate pairs. */
export function printable(text) {
  return text.replace(UNPRINTABLE, "\ufffd");
}
