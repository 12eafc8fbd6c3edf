// What the page knows of translation: a thread of this browser. No other file of the page asks it.

/** Where the text goes, in a sentence. */
export const footnote = { text: "Your text stays in this browser: it is translated here, and sent nowhere." };

const asked = new Map(); // number of a request → {resolve, reject}
let count = 0;
let report = (line) => {};
let worker = null;
let catalog = null; // models.json, or a promise of it

/** Return the most characters that a text may have. */
export async function characterLimit() {
  return Infinity;
}

/** Return [{code, name, targets: [code]}], the languages that can be read. */
export async function languages() {
  return (await contents()).languages;
}

/**
 * Load what a pair of languages needs. say: gets a line on how far that is, "" once it is done.
 *
 * Throws Error with a message for a person, and `retryAfter`, in seconds, where it may help to ask again.
 */
export async function prepare({ source, target }, say) {
  report = say;
  await ask({ source, target, lines: [], alternatives: 0 });
}

/**
 * Return a record for each line, in order: what `nmt translate --json` prints.
 *
 * alternatives: how many translations beside the best, at most. Throws like `prepare`.
 */
export async function translate({ lines, source, target, alternatives, signal }) {
  const records = [];
  for (const line of lines) {
    signal.throwIfAborted(); // a thread that computes cannot be interrupted, so it gets one line at a time
    records.push(...(await ask({ source, target, lines: [line], alternatives })));
  }
  return records;
}

async function ask({ source, target, lines, alternatives }) {
  const { models, runtime } = await contents();
  const model = models.find((each) => each.source === source && each.target === target);
  worker ??= start();
  return new Promise((resolve, reject) => {
    asked.set(++count, { resolve, reject });
    worker.postMessage({ id: count, model, runtime, lines, alternatives });
  });
}

async function contents() {
  catalog ??= load();
  try {
    return await catalog;
  } catch (error) {
    catalog = null;
    throw error;
  }
}

async function load() {
  const response = await fetch("models.json").catch(() => {
    throw failure("models.json cannot be loaded: the network does not answer.", 5);
  });
  if (!response.ok) throw failure(`models.json cannot be loaded: the web server answered with status ${response.status}.`);
  return response.json();
}

function start() {
  const thread = new Worker(new URL("translate/worker.js", import.meta.url), { type: "module" });
  thread.addEventListener("message", ({ data: { id, records, error, retryAfter, loaded, total } }) => {
    if (id === undefined) return report(total ? progress(loaded, total) : "");
    const { resolve, reject } = asked.get(id);
    asked.delete(id);
    if (records) resolve(records);
    else reject(failure(error, retryAfter));
  });
  thread.addEventListener("error", () => {
    for (const { reject } of asked.values()) reject(failure("The translator cannot be loaded, or it has failed."));
    asked.clear();
    thread.terminate();
    worker = null; // the next request starts another
  });
  return thread;
}

/** In tenths, so that a screen reader is not told of every packet. */
function progress(loaded, total) {
  return `Loading the translator (${(total / 1e6).toFixed(1)} MB): ${10 * Math.floor((10 * loaded) / total)} %`;
}

function failure(message, retryAfter) {
  return Object.assign(new Error(message), { retryAfter });
}
