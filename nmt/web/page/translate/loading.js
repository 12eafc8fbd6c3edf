// Load files of the folder that the page lies in, and tell how far that is.

const WAIT = 5; // seconds until it may help to try again

/** @typedef {import("./worker.js").File} File */

/** Loads files, several at once. */
export class Loader {
  /** @param {URL} root @param {(loaded: number, total: number) => void} progress - 0 of 0 once all is there */
  constructor(root, progress) {
    this.root = root;
    this.progress = progress;
    this.loaded = this.total = this.waiting = 0;
  }

  /**
   * Return a file's content; throws Error with a message for a person.
   * @param {File} file
   * @returns {Promise<Uint8Array>}
   */
  async bytes({ path, bytes }) {
    this.waiting++;
    this.total += bytes;
    try {
      return await this.#read(path, bytes);
    } finally {
      this.waiting--;
      if (!this.waiting) this.loaded = this.total = 0;
      this.progress(this.loaded, this.total);
    }
  }

  /**
   * Return a script's module; throws Error with a message for a person.
   * @param {File} file
   */
  async module({ path }) {
    try {
      return await import(new URL(path, this.root).href);
    } catch {
      throw new Error(`${path} cannot be loaded; it may be missing in the folder of this page.`);
    }
  }

  async #read(path, bytes) {
    const response = await fetch(new URL(path, this.root)).catch(() => {
      throw interrupted(path);
    });
    if (!response.ok) throw new Error(`${path} cannot be loaded: the web server answered with status ${response.status}.`);
    const content = new Uint8Array(bytes);
    let end = 0;
    const reader = response.body.getReader();
    for (;;) {
      const { done, value } = await reader.read().catch(() => {
        throw interrupted(path);
      });
      if (done) break;
      if (end + value.length <= bytes) content.set(value, end);
      end += value.length;
      this.loaded += value.length;
      this.progress(this.loaded, this.total);
    }
    if (end !== bytes) {
      throw new Error(`${path} is not whole: expected ${bytes} bytes, found ${end}; copy it to the web server again.`);
    }
    return content;
  }
}

function interrupted(path) {
  return Object.assign(new Error(`${path} cannot be loaded: the network does not answer.`), { retryAfter: WAIT });
}
