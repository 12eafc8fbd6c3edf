// Cut a text into stretches that a model translates as a whole; as in nmt/decoding/splitting.py.

import { sentenceEnds } from "./sentences.js";
import { BLANK } from "./text.js";

const TIGHT = "。！？、，；：」』）】》"; // no space stands behind these
const CLAUSE = new RegExp(`(?<=[,;:–—、，；：])[${BLANK}]+|(?<=[、，；：])`, "gu");
const SPACES = new RegExp(`[${BLANK}]+`, "gu");

/**
 * Return stretches of the text that fit and together are the text, cut at the best places there are.
 *
 * Sentence ends first; a sentence that does not fit is cut at clause ends, then at white space, then anywhere.
 * Neighbouring stretches are packed together while they fit; sentences while `together` says so.
 * @param {string} text
 * @param {(text: string) => boolean} fits
 * @param {(text: string) => boolean} together
 * @returns {string[]}
 */
export function splitText(text, fits, together) {
  return pack(text, fits, together, [sentenceEnds, placesBehind(CLAUSE), placesBehind(SPACES)]);
}

/** @param {((text: string) => number[])[]} places - where it may be cut, the best kind of place first */
function pack(text, fits, together, places) {
  const [ends, ...others] = places;
  if (together(text) || (text.length < 3 && [...text].length === 1)) return [text];
  if (!ends) {
    const characters = [...text];
    const middle = characters.length >> 1;
    const halves = [characters.slice(0, middle), characters.slice(middle)];
    return halves.flatMap((half) => pack(half.join(""), fits, fits, []));
  }
  const whole = [];
  const begins = [0, ...ends(text)];
  let held = "";
  begins.forEach((begin, n) => {
    const stretch = text.slice(begin, begins[n + 1] ?? text.length);
    if (held && together(held + stretch)) {
      held += stretch;
      return;
    }
    if (held) whole.push(held);
    held = stretch;
    if (fits(held)) return;
    whole.push(...pack(held, fits, fits, others));
    held = whole.pop();
  });
  return [...whole, held];
}

/** Return a function from a text to the places behind what matches in it, its end left out. */
function placesBehind(pattern) {
  return (text) =>
    [...text.matchAll(pattern)].map((found) => found.index + found[0].length).filter((end) => end < text.length);
}

/** Say whether a text ends so that no space goes behind it. */
export function endsTight(text) {
  return text !== "" && TIGHT.includes(text.slice(-1));
}

/** Say whether a sentence or clause ends with the text, as in scripts that need no space there. */
export function endsWithoutSpace(text) {
  return sentenceEnds(`${text}Xx`).at(-1) === text.length || endsTight(text);
}
