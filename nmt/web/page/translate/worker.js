// The thread that translates. It is asked {id, model, runtime, lines, alternatives}, and answers {id, records}
// or {id, error, retryAfter}. While it loads, it tells {loaded, total}, in bytes.

import { GraphEngine } from "./engine.js";
import { Loader } from "./loading.js";
import { translationRecord } from "./record.js";
import { makeTokenizer } from "./tokenizers.js";
import { Translator } from "./translator.js";

/**
 * A file of the folder and its size.
 * @typedef {{path: string, bytes: number}} File
 */

const root = new URL("../", import.meta.url);
const loader = new Loader(root, (loaded, total) => postMessage({ loaded, total }));
const opened = new Map(); // what is open or being opened: path → promise

addEventListener("message", async ({ data: { id, model, runtime, lines, alternatives } }) => {
  try {
    const { engine, tokenizers, settings } = await once(model.graph.path, () => openModel(model, runtime));
    const translator = new Translator(engine, tokenizers, { ...settings, tag: model.tag });
    const found = await translator.translations(lines, alternatives ? engine.beam : 1);
    const records = found.map((translation) => translationRecord(translation.slice(0, alternatives + 1)));
    postMessage({ id, records });
  } catch ({ message, retryAfter }) {
    postMessage({ id, error: message, retryAfter });
  }
});

/** Return what is open under this key, or open it; what failed is tried anew the next time. */
function once(key, open) {
  if (!opened.has(key)) {
    const opening = open();
    opening.catch(() => opened.delete(key));
    opened.set(key, opening);
  }
  return opened.get(key);
}

/** @param {{graph: File, settings: File}} model @param {{script: File, wasm: File}} runtime */
async function openModel({ graph, settings: file }, runtime) {
  const [ort, bytes, json] = await Promise.all([
    once(runtime.wasm.path, () => openRuntime(runtime)),
    loader.bytes(graph),
    loader.bytes(file),
  ]);
  const { search, src, trg, ...settings } = JSON.parse(new TextDecoder().decode(json));
  const source = makeTokenizer(src);
  const tokenizers = { src: source, trg: trg ? makeTokenizer(trg) : source };
  return { engine: new GraphEngine(ort, await openSession(ort, bytes), search), tokenizers, settings };
}

async function openRuntime({ script, wasm }) {
  if (typeof WebAssembly === "undefined") throw new Error("This browser has no WebAssembly, which translates here.");
  const [ort, binary] = await Promise.all([loader.module(script), loader.bytes(wasm)]);
  // More threads need headers that a plain host does not send.
  Object.assign(ort.env.wasm, { numThreads: 1, wasmBinary: binary.buffer });
  ort.env.logLevel = "fatal";
  return ort;
}

async function openSession(ort, bytes) {
  try {
    return await ort.InferenceSession.create(bytes, { executionProviders: ["wasm"] });
  } catch (error) {
    throw new Error(`The translator does not start in this browser (${error.message}).`);
  }
}
