// One ONNX model in this page: loaded, run and timed by the page's own clock.
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

let ort, session, inputs, fetches;

// Load the runtime and the model and make the session. `asked` is what backend.py sends.
async function open(asked) {
  document.getElementById("state").textContent = asked.title;
  await session?.release();  // never two models in memory, and no part of making the next
  session = null;
  const begun = performance.now();
  ort = await import(`/ort/${asked.bundle}`);
  ort.env.wasm.wasmPaths = "/ort/";
  ort.env.wasm.numThreads = asked.threads;
  ort.env.webgpu.powerPreference = "high-performance";  // of two GPUs the one that the hardware probe names
  ort.env.logLevel = asked.verbose ? "verbose" : "error";
  const model = await bytesOf(asked.model);
  const beside = [];
  for (const file of asked.external) beside.push({path: file.path, data: await bytesOf(file.url)});
  const loaded = performance.now();
  const options = {executionProviders: asked.providers, graphOptimizationLevel: "all", logSeverityLevel: 4};
  if (beside.length) options.externalData = beside;
  if (asked.verbose) Object.assign(options, {logSeverityLevel: 0, logVerbosityLevel: 1});
  session = await ort.InferenceSession.create(model, options);
  const made = performance.now();
  inputs = {};
  for (const given of asked.inputs) {
    const bytes = await bytesOf(given.url);
    inputs[given.name] = new ort.Tensor(given.type, new TYPED[given.type](bytes.buffer), given.dims);
  }
  fetches = asked.outputs;
  return {load_ms: loaded - begun, session_ms: made - loaded, inputs: session.inputNames, outputs: session.outputNames};
}

// One call, its outputs read back, in milliseconds by the page's clock.
async function run() {
  const begun = performance.now();
  const results = await session.run(inputs, fetches);
  for (const name of fetches) await results[name].getData();
  const ended = performance.now();
  for (const name of fetches) results[name].dispose();
  return ended - begun;
}

// One call, its outputs sent to the server as they are.
async function outputs() {
  const results = await session.run(inputs, fetches);
  const told = {};
  for (const [index, name] of fetches.entries()) {
    const data = await results[name].getData();
    const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    const answer = await fetch(`/outputs/${index}`, {method: "PUT", body: bytes});
    if (!answer.ok) throw new Error(`output ${name} was not taken: ${answer.status}`);
    told[name] = {index, type: results[name].type, dims: [...results[name].dims]};
    results[name].dispose();
  }
  return told;
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

window.hwbench = {open, run, outputs, facts, memory, dispatches: () => ({...counted})};
