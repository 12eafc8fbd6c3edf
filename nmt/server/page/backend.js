// What the page knows of translation: this server. No other file of the page asks it.

/** Where the text goes, in a sentence, and a link. */
export const footnote = {
  text: "Your text goes to this server and nowhere else.",
  label: "Use it from a program",
  href: "docs",
};

let mostAlternatives = 0; // until the server has said how many

/** Return the most characters that a text may have. */
export async function characterLimit() {
  const settings = await ask("frontend/settings");
  mostAlternatives = settings.alternativesLimit;
  return settings.charLimit;
}

/** Return [{code, name, targets: [code]}], the languages that can be read. */
export async function languages() {
  return ask("languages");
}

/** Get ready for a pair of languages; the server is. */
export async function prepare() {}

/**
 * Return a record for each line, in order: what `nmt translate --json` prints.
 *
 * alternatives: how many translations beside the best, at most. Throws Error with a message for a person, and
 * `retryAfter`, in seconds, where it may help to ask again.
 */
export async function translate({ lines, source, target, alternatives, signal }) {
  const most = Math.min(alternatives, mostAlternatives);
  const body = JSON.stringify({ q: lines, source, target, format: "text", alternatives: most, details: true });
  const headers = { "Content-Type": "application/json" };
  return (await ask("translate", { method: "POST", headers, body, signal })).details;
}

async function ask(path, options) {
  let response;
  try {
    response = await fetch(path, options);
  } catch (error) {
    if (options?.signal?.aborted) throw error;
    throw failure("The server does not answer.", 2);
  }
  const answer = await response.json().catch(() => ({}));
  if (response.ok) return answer;
  const wait = Number(response.headers.get("Retry-After")) || 2;
  const busy = response.status === 429 || response.status >= 500;
  throw failure(answer.error ?? `The server answered with status ${response.status}.`, busy ? wait : undefined);
}

function failure(message, retryAfter) {
  return Object.assign(new Error(message), { retryAfter });
}
