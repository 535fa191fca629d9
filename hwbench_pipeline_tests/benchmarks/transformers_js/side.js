// The same file, inputs and number of threads by transformers.js, timed as our own page times its session.

import {AutoModel, Tensor, env} from "transformers";

const TYPED = {float32: Float32Array, int64: BigInt64Array};
let model, inputs;

async function open(asked) {
  Object.assign(env, {allowRemoteModels: false, allowLocalModels: true, localModelPath: "/models/", useBrowserCache: false});
  Object.assign(env.backends.onnx.wasm, {wasmPaths: "/runtime/", numThreads: asked.threads});
  model = await AutoModel.from_pretrained("model", {dtype: "fp32", device: "wasm"});
  inputs = {};
  for (const given of asked.inputs) {
    const bytes = await (await fetch(given.url)).arrayBuffer();
    inputs[given.name] = new Tensor(given.type, new TYPED[given.type](bytes), given.dims);
  }
  return {threads: env.backends.onnx.wasm.numThreads};
}

async function run() {
  const begun = performance.now();
  const results = await model(inputs);
  for (const output of Object.values(results)) output.data;
  const ended = performance.now();
  for (const output of Object.values(results)) output.dispose();
  return ended - begun;
}

async function outputs() {
  const results = await model(inputs);
  return Object.fromEntries(Object.entries(results).map(([name, value]) => [name, {dims: value.dims, data: [...value.data]}]));
}

window.hwbench = {open, run, outputs};
