// Words on the page: where they stand in a text, how sure the model was of them, and what they looked at.

const LOOKED = 0.05; // less attention than this is not told
const UNSURE = 0.5; // less confidence than this is marked; the page's legend says so
const DOUBTFUL = 0.25;

/** Return [{start, end, index}]: where each word stands in the text. A word that is not found is left out. */
export function places(text, words) {
  const found = [];
  let from = 0;
  words.forEach((word, index) => {
    const start = word ? text.indexOf(word, from) : -1;
    if (start < 0) return;
    from = start + word.length;
    found.push({ start, end: from, index });
  });
  return found;
}

/** Return nodes that read as the text, each word of it an element. make: gives the element of word n. */
export function nodes(text, words, make) {
  const all = [];
  let from = 0;
  for (const { start, end, index } of places(text, words)) {
    const element = make(index);
    element.textContent = text.slice(start, end);
    all.push(text.slice(from, start), element);
    from = end;
  }
  return [...all, text.slice(from)];
}

/** Return how doubtful a word is: "", "unsure" or "doubtful". */
export function doubt(confidence) {
  return confidence < DOUBTFUL ? "doubtful" : confidence < UNSURE ? "unsure" : "";
}

/** Return the attention of each word of the other side, for a word of this side of a translation. */
export function attention(words, side, word) {
  return side === "target" ? words[word].attention : words.map((each) => each.attention[word]);
}

/** Return nodes of a sentence on a word: what it looked at, or what looked at it, and how sure it is. */
export function sentence(words, sourceWords, side, word) {
  const own = side === "target" ? words[word].text : sourceWords[word];
  const others = side === "target" ? sourceWords : words.map((each) => each.text);
  const most = attention(words, side, word)
    .map((weight, index) => ({ weight, index }))
    .filter(({ weight }) => weight >= LOOKED)
    .sort((a, b) => b.weight - a.weight)
    .slice(0, 3);
  const list = most.flatMap(({ weight, index }, n) => [n ? ", " : "", quoted(others[index]), ` ${percent(weight)}`]);
  const none = list.length ? [] : ["no word in particular"];
  if (side === "source") return [quoted(own), " was looked at for ", ...list, ...none];
  return [quoted(own), " looked at ", ...list, ...none, ` · ${percent(words[word].confidence)} sure`];
}

function quoted(word) {
  const element = document.createElement("bdi");
  element.textContent = word;
  return element;
}

function percent(fraction) {
  return `${Math.round(fraction * 100)}\u00a0%`;
}
