// Find the sentence ends of a text, by the rules of nmt/data/sentences.py.

import { BLANK as SPACE, first, isLower, isUpper, last, strip, stripRight } from "./text.js";

const WIDE = "。！？｡।॥؟۔။។"; // these need no space after them
const OPENERS = "\"'“”„‚‘’«»‹›(\\[{¿¡「『（【《〈–—―•\\-";
const CLOSERS = "\"'”’“‘»«›‹)\\]}";
const EMOJI = "\\u2600-\\u27bf\\u{1f300}-\\u{1faff}\\ufe0f\\u200d";
const BLANK = `${SPACE}\\u200b\\u2060\\ufeff`; // white space, visible or not
const STOP = new RegExp(
  `(?<![.!?…])(?<narrow>[.!?…]+)(?![.!?…])(?:(?:[${CLOSERS}${EMOJI}]|\\[\\p{Nd}{1,3}\\]|[${SPACE}]»)*` +
    `(?<blank>[${BLANK}]+)|[${CLOSERS}${EMOJI}]*)` +
    `|[${WIDE}][${WIDE}.!?…]*["'”’»›)\\]}」』）】》〉]*[${SPACE}]*`,
  "gu",
);
const LAST = new RegExp(`[^${BLANK}${OPENERS}]*$`, "u");
const NEXT = new RegExp(`^[${BLANK}${OPENERS}]*(?<word>[\\p{L}\\p{Nl}\\p{No}]*)(?<other>[^${SPACE}]?)`, "u");
const NO_WORDS = /[/@\\_=&#<>]|^www/u; // in addresses and code

const words = (text) => new Set(text.split(" "));
// A stop after these ends no sentence, ...
const ABBREVIATIONS = words(
  "mr mrs ms mx messrs dr drs prof rev hon st ste mt gen col capt cpt lt sgt maj cmdr gov sen rep pres fr " +
    "hr frl dipl ing jur phil rer nat med mme mlle mgr sr sra srta dña sig dott avv dhr mevr " +
    "vs viz approx dept bzw ca vgl evtl ggf inkl exkl zzgl bspw sog geb gest allg insb jh jhd hrsg aufl " +
    "cf env bijv np tzn tj např",
);
// ... and after these it ends none if a number follows.
const BEFORE_NUMBER = words(
  "no nos nr núm est art arts fig figs abb tab kap vol bd p pp s ss sec sect ch chap eq par abs op " +
    "jan feb mar apr jun jul aug sep sept oct okt nov dec dez",
);
const NUMERAL = /^(?:\p{Nd}{1,2}|[IVX]{2,5})$/u;
const INITIALS = /^[\p{L}\p{Nl}\p{No}](?:\.[\p{L}\p{Nl}\p{No}]+)*$/u;
// Words that never follow an ordinal, so a sentence begins.
const BEGINNERS = words(
  "der die das ein eine ich du er sie es wir ihr man dies diese dieser dieses dann danach dort hier " +
    "jetzt nun und aber doch denn wenn als weil obwohl nachdem während seit auch nur nicht im am auf " +
    "bei mit nach vor für über durch wie was wer wo warum seine ihre heute später the a this that these " +
    "those he she it we you they then there here and but if when while after before in on at for with " +
    "from what who where why how his her their our its now today later il elle nous vous ils elles ce " +
    "cette puis alors quand mais dans el ella pero luego después",
);

/**
 * Return the positions where a sentence begins after another, white space belonging to the earlier one.
 * @param {string} text
 * @returns {number[]}
 */
export function sentenceEnds(text) {
  const stops = [...text.matchAll(STOP)]
    .map(({ 0: stop, index, groups: { narrow, blank } }) => ({ narrow, blank, begin: index, end: index + stop.length }))
    .filter((stop) => stop.end < text.length);
  const begins = [0, ...stops.filter((stop) => stop.blank).map((stop) => stop.end)];
  const capitals = begins.some((begin) => /\p{Uppercase}/u.test(first(nextWord(text, begin))));
  const shouting = isUpper(text);
  return stops.filter((stop) => ends(text, stop, capitals, shouting)).map((stop) => stop.end);
}

/** Return the number of sentences of a text, at least one. */
export function countSentences(text) {
  return sentenceEnds(strip(text)).length + 1;
}

function ends(text, { narrow, blank, begin, end }, capitals, shouting) {
  if (narrow === undefined) return true;
  const after = nextWord(text, end);
  if (!after || (/^\p{Lowercase}/u.test(after) && capitals)) return false;
  const before = LAST.exec(charactersBefore(text, begin, 40))[0];
  if (!blank && !twoWords(before, narrow, after, shouting)) return false;
  if (narrow !== ".") return true;
  if (NUMERAL.test(before)) {
    const length = [...before].length;
    const earlier = charactersBefore(text, begin - before.length, 60 - length);
    const listed = ".!?…:;".includes(stripRight(earlier).slice(-1)); // and where nothing stands before
    return BEGINNERS.has(after.toLowerCase()) && !listed;
  }
  const ending = before.slice(before.lastIndexOf(".") + 1).toLowerCase();
  if (INITIALS.test(before) || ABBREVIATIONS.has(ending)) return false;
  return !(/^\p{Nd}/u.test(after) && BEFORE_NUMBER.has(ending));
}

/** Say whether a stop without white space after it is between the words of two sentences. */
function twoWords(before, narrow, after, shouting) {
  if (!before || NO_WORDS.test(before)) return false;
  const [initial, ...rest] = after;
  if (shouting) return isUpper(after) && rest.length > 0;
  if (narrow === "." && isUpper(last(before))) return false; // "ASP.Net"
  return isUpper(initial) && (!rest.length || isLower(rest.join("")));
}

/** Return the next word after opening quotes, brackets and dashes, or its first character; "" for none. */
function nextWord(text, begin) {
  const near = [...text.slice(begin, begin + 400)].slice(0, 200).join("");
  const { word, other } = NEXT.exec(near).groups;
  return word || other;
}

/** Return so many characters before a place, or those that there are; a character may take two places. */
function charactersBefore(text, place, count) {
  return [...text.slice(Math.max(0, place - 2 * count), place)].slice(-count).join("");
}
