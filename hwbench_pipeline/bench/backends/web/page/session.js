// One ONNX model in this page, of one graph or of several that generate: loaded, run and timed by the page's own clock.
//
// Belongs here: what must happen inside the browser. Does not belong here: which model, how often, and what the numbers are
// worth, which the Python side decides (`backend.py`); it calls the functions of `window.hwbench`.

import {bytesOf} from "./fetching.js";

const TYPED = {
  float32: Float32Array, float64: Float64Array, float16: Uint16Array, int64: BigInt64Array, int32: Int32Array,
  uint8: Uint8Array, int8: Int8Array, bool: Uint8Array,
};

// Every dispatch is counted as it is recorded: a session that falls back to the CPU leaves the count where it was.
const counted = {webgpu: 0, webnn: 0};

function countCalls(prototype, names, key) {
  for (const name of names) {
    const original = prototype?.[name];
    if (original) prototype[name] = function (...given) { counted[key] += 1; return original.apply(this, given); };
  }
}
countCalls(globalThis.GPUComputePassEncoder?.prototype, ["dispatchWorkgroups", "dispatchWorkgroupsIndirect"], "webgpu");
countCalls(globalThis.MLContext?.prototype, ["dispatch"], "webnn");

// The graphs that the runtime builds itself are those that compute: what they say of their devices is kept.
const graphs = [];
const build = globalThis.MLGraphBuilder?.prototype?.build;
if (build) MLGraphBuilder.prototype.build = async function (...given) {
  const graph = await build.apply(this, given);
  graphs.push(graph);
  return graph;
};

let ort, inputs, further;
let parts = [];  // in the order they run; of a generation the last one runs for each further token

// Load the runtime and the model and make a session of each graph. `asked` is what backend.py sends.
async function open(asked) {
  document.getElementById("state").textContent = asked.title;
  for (const {session} of parts) await session.release();  // never two models in memory, and no part of making the next
  parts = [];
  const begun = performance.now();
  ort = await import(`/ort/${asked.bundle}`);
  ort.env.wasm.wasmPaths = "/ort/";
  ort.env.wasm.numThreads = asked.threads;
  ort.env.webgpu.powerPreference = "high-performance";  // of two GPUs the one that the hardware probe names
  ort.env.logLevel = asked.verbose ? "verbose" : "error";
  let load_ms = performance.now() - begun, session_ms = 0;
  for (const graph of asked.graphs) {
    if (asked.verbose) console.log(`hwbench graph: ${graph.name}`);  // what the runtime then logs is about this one
    const [session, loaded_ms, made_ms] = await made(graph, asked);
    parts.push({...graph, session});
    load_ms += loaded_ms;
    session_ms += made_ms;
  }
  inputs = await tensors(asked.inputs);
  further = [];
  for (const brought of asked.further) further.push(await tensors(brought));
  return {load_ms, session_ms};
}

async function made(graph, asked) {
  const begun = performance.now();
  const model = await bytesOf(graph.model);
  const beside = [];
  for (const file of graph.external) beside.push({path: file.path, data: await bytesOf(file.url)});
  const loaded = performance.now();
  const options = {executionProviders: asked.providers, graphOptimizationLevel: "all", logSeverityLevel: 4};
  if (beside.length) options.externalData = beside;
  if (graph.kept_at) options.preferredOutputLocation = graph.kept_at;
  if (asked.verbose) Object.assign(options, {logSeverityLevel: 0, logVerbosityLevel: 1});
  const session = await ort.InferenceSession.create(model, options);
  return [session, loaded - begun, performance.now() - loaded];
}

async function tensors(given) {
  const found = {};
  for (const {name, url, type, dims} of given) {
    found[name] = new ort.Tensor(type, new TYPED[type]((await bytesOf(url)).buffer), dims);
  }
  return found;
}

// One call, its outputs read back, in milliseconds by the page's clock.
async function run() {
  const [{session, outputs}] = parts;
  const begun = performance.now();
  const results = await session.run(inputs, outputs);
  for (const name of outputs) await results[name].getData();
  const ended = performance.now();
  for (const name of outputs) results[name].dispose();
  return ended - begun;
}

// One call, its outputs sent to the server as they are.
async function outputs() {
  const [{session, outputs}] = parts;
  const results = await session.run(inputs, outputs);
  const told = {};
  for (const [index, name] of outputs.entries()) {
    told[name] = await sent(index, results[name]);
    results[name].dispose();
  }
  return told;
}

async function sent(index, tensor) {
  const data = await tensor.getData();
  const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  const answer = await fetch(`/outputs/${index}`, {method: "PUT", body: bytes});
  if (!answer.ok) throw new Error(`output ${index} was not taken: ${answer.status}`);
  return {index, type: tensor.type, dims: [...tensor.dims]};
}

// One generation with an empty cache at its beginning, on the forced tokens. Calls `taken` with each token's logits once they are
// read back. What one graph hands on to the next stays where it was made.
async function generation(taken) {
  const held = {...inputs}, of_graphs = new Set();
  const call = async ({session, outputs, handed_on}) => {
    const feeds = Object.fromEntries(session.inputNames.map((name) => [name, held[name]]));
    const results = await session.run(feeds, outputs);
    for (const name of outputs) {
      const place = handed_on[name];
      if (of_graphs.has(place)) held[place].dispose();
      of_graphs.add(place);
      held[place] = results[name];
    }
  };
  try {
    for (const part of parts.slice(0, -1)) await call(part);
    await held.logits.getData();
    await taken(held);
    for (const brought of further) {
      Object.assign(held, brought);
      await call(parts.at(-1));
      await held.logits.getData();
      await taken(held);
    }
  } finally {
    for (const place of of_graphs) held[place].dispose();
  }
}

// One generation: milliseconds to its first token, and from each token to the next.
async function generate() {
  const took = [];
  let since = performance.now();
  await generation(() => {
    const now = performance.now();
    took.push(now - since);
    since = now;
  });
  return took;
}

// One generation, its logits sent to the server token by token, and where the cache lay.
async function logits() {
  const told = [];
  const places = new Set();
  await generation(async (held) => {
    told.push(await sent(told.length, held.logits));
    for (const name of Object.values(parts.at(-1).handed_on)) if (name !== "logits") places.add(held[name].location);
  });
  return {tokens: told, cache_at: [...places]};
}

// What really computes: the adapter of the device that the runtime uses, or the devices of its WebNN context.
async function facts() {
  const told = {
    user_agent: navigator.userAgent, cross_origin_isolated: crossOriginIsolated, version: ort?.env?.versions?.web ?? null,
    threads: ort?.env?.wasm?.numThreads ?? null, dispatches: {...counted},
    hardware_concurrency: navigator.hardwareConcurrency,
    wasm_file: performance.getEntriesByType("resource").map((entry) => entry.name).filter((name) => name.endsWith(".wasm"))
      .map((name) => name.split("/").at(-1)).at(-1) ?? null,
  };
  let info = null, fallback = null;
  if (counted.webgpu) {
    const device = await ort.env.webgpu.device;
    info = device.adapterInfo;
    fallback = info?.isFallbackAdapter ?? null;
  }
  if (info) told.adapter = {
    vendor: info.vendor, architecture: info.architecture, device: info.device, description: info.description,
    is_fallback: fallback,
  };
  told.webnn_devices = [...new Set(graphs.flatMap((graph) => [...(graph.devices ?? [])]))];
  told.webnn_graphs = graphs.length;
  return told;
}

// Bytes that the browser counts for this page; null where it does not tell in time. Not every build has it.
async function memory(longest_ms) {
  const late = new Promise((resolve) => setTimeout(resolve, longest_ms, {bytes: null}));
  try { return (await Promise.race([performance.measureUserAgentSpecificMemory(), late])).bytes; } catch { return null; }
}

window.hwbench = {open, run, outputs, generate, logits, facts, memory, dispatches: () => ({...counted})};
