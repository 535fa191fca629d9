// The pages' side of the experiments: a compute shader at several workgroup sizes, and components loaded at once or in turn.
//
// Belongs here: what must happen inside the browser. Which variants, how often, and what their times show is decided by
// `bench/web_experiments`.

import {bytesOf} from "./fetching.js";

// One thread per frame and frequency, then one per frame and mel. `late` is for the kernel that is wrong on purpose.
const shader = (size, late) => `
struct Extents { n_frames: u32, n_bins: u32, n_fft: u32, hop: u32, n_mels: u32 }
@group(0) @binding(0) var<uniform> extents: Extents;
@group(0) @binding(1) var<storage, read> sound: array<f32>;
@group(0) @binding(2) var<storage, read> waves: array<f32>;
@group(0) @binding(3) var<storage, read> filters: array<f32>;
@group(0) @binding(4) var<storage, read_write> power: array<f32>;
@group(0) @binding(5) var<storage, read_write> mel: array<f32>;

@compute @workgroup_size(${size.join(", ")})
fn spectrum(@builtin(global_invocation_id) id: vec3<u32>) {
  if (id.x >= extents.n_frames || id.y >= extents.n_bins || id.z > 0u) { return; }
  let first = id.x * extents.hop + ${late}u;
  let wave = id.y * 2u * extents.n_fft;
  var real = 0.0;
  var imaginary = 0.0;
  for (var i = 0u; i < extents.n_fft; i++) {
    let value = sound[first + i];
    real += value * waves[wave + i];
    imaginary += value * waves[wave + extents.n_fft + i];
  }
  power[id.y * extents.n_frames + id.x] = real * real + imaginary * imaginary;
}

@compute @workgroup_size(${size.join(", ")})
fn melody(@builtin(global_invocation_id) id: vec3<u32>) {
  if (id.x >= extents.n_frames || id.y >= extents.n_mels || id.z > 0u) { return; }
  var total = 0.0;
  for (var bin = 0u; bin < extents.n_bins; bin++) {
    total += filters[id.y * extents.n_bins + bin] * power[bin * extents.n_frames + id.x];
  }
  mel[id.y * extents.n_frames + id.x] = log2(max(total, 1e-10)) * 0.30102999566398120;
}`;

let device, extents, buffers, kernels, failure;

function requireNoFailure() {
  if (failure) throw new Error(`WebGPU: ${failure}`);
}

function filled(bytes, usage) {
  const buffer = device.createBuffer({size: bytes.byteLength, usage: usage | GPUBufferUsage.COPY_DST});
  device.queue.writeBuffer(buffer, 0, bytes);
  return buffer;
}

async function prepareKernels(asked) {
  const adapter = await navigator.gpu.requestAdapter({powerPreference: "high-performance"});
  device = await adapter.requestDevice();
  device.lost.then(({message}) => { failure ??= message || "the device was lost"; });
  device.addEventListener("uncapturederror", ({error}) => { failure ??= error.message; });
  extents = asked;
  const {n_frames, n_bins, n_fft, hop, n_mels} = asked;
  const empty = (count, usage = 0) => device.createBuffer({size: 4 * count, usage: GPUBufferUsage.STORAGE | usage});
  buffers = [
    filled(new Uint32Array([n_frames, n_bins, n_fft, hop, n_mels]), GPUBufferUsage.UNIFORM),
    filled(await bytesOf("kernel/sound"), GPUBufferUsage.STORAGE),
    filled(await bytesOf("kernel/waves"), GPUBufferUsage.STORAGE),
    filled(await bytesOf("kernel/filters"), GPUBufferUsage.STORAGE),
    empty(n_bins * n_frames, GPUBufferUsage.COPY_DST),
    empty(n_mels * n_frames, GPUBufferUsage.COPY_DST | GPUBufferUsage.COPY_SRC),
  ];
  const types = ["uniform", "read-only-storage", "read-only-storage", "read-only-storage", "storage", "storage"];
  const layout = device.createBindGroupLayout({
    entries: types.map((type, binding) => ({binding, visibility: GPUShaderStage.COMPUTE, buffer: {type}})),
  });
  const group = device.createBindGroup({
    layout, entries: buffers.map((buffer, binding) => ({binding, resource: {buffer}})),
  });
  kernels = {};
  for (const [name, {size, late}] of Object.entries(asked.variants)) {
    const parts = size.split("x").map(Number);
    const module = device.createShaderModule({code: shader(parts, late)});
    const pipelines = [];
    for (const [entryPoint, rows] of [["spectrum", n_bins], ["melody", n_mels]]) {
      const pipeline = await device.createComputePipelineAsync({
        layout: device.createPipelineLayout({bindGroupLayouts: [layout]}), compute: {module, entryPoint},
      });
      pipelines.push([pipeline, Math.ceil(n_frames / parts[0]), Math.ceil(rows / parts[1])]);
    }
    kernels[name] = {group, pipelines};
  }
  const {vendor, architecture, device: model, description, isFallbackAdapter} = adapter.info;
  return {vendor, architecture, device: model, description, is_fallback: isFallbackAdapter ?? null};
}

function recorded(name) {
  const encoder = device.createCommandEncoder();
  for (const [pipeline, x, y] of kernels[name].pipelines) {
    const pass = encoder.beginComputePass();
    pass.setPipeline(pipeline);
    pass.setBindGroup(0, kernels[name].group);
    pass.dispatchWorkgroups(x, y, 1);
    pass.end();
  }
  return encoder;
}

// One spectrogram, the queue awaited, in milliseconds.
async function runKernel(name) {
  const begun = performance.now();
  device.queue.submit([recorded(name).finish()]);
  await device.queue.onSubmittedWorkDone();
  const took = performance.now() - begun;
  requireNoFailure();
  return took;
}

// One spectrogram, sent to the server. The mels are cleared first: a kernel that writes nothing is not right by chance.
async function kernelOutput(name) {
  const bytes = 4 * extents.n_mels * extents.n_frames;
  const read = device.createBuffer({size: bytes, usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST});
  const clearing = device.createCommandEncoder();
  clearing.clearBuffer(buffers[4]);
  clearing.clearBuffer(buffers[5]);
  const encoder = recorded(name);
  encoder.copyBufferToBuffer(buffers[5], 0, read, 0, bytes);
  device.queue.submit([clearing.finish(), encoder.finish()]);
  await read.mapAsync(GPUMapMode.READ);
  requireNoFailure();
  const answer = await fetch("/outputs/0", {method: "PUT", body: new Uint8Array(read.getMappedRange()).slice()});
  read.destroy();
  if (!answer.ok) throw new Error(`the spectrogram was not taken: ${answer.status}`);
}

let ort;

// Fetch some models and make their sessions, all at once or one after the other, in milliseconds; the sessions are released.
async function loadComponents({bundle, providers, threads, models, at_once}) {
  ort ??= await import(`/ort/${bundle}`);
  Object.assign(ort.env.wasm, {wasmPaths: "/ort/", numThreads: threads});
  ort.env.webgpu.powerPreference = "high-performance";
  ort.env.logLevel = "error";
  const load = async (url) => ort.InferenceSession.create(await bytesOf(url), {executionProviders: providers});
  const sessions = [];
  const begun = performance.now();
  if (at_once) sessions.push(...await Promise.all(models.map(load)));
  else for (const url of models) sessions.push(await load(url));
  const took = performance.now() - begun;
  for (const session of sessions) await session.release();
  return took;
}

window.hwbench = {prepareKernels, runKernel, kernelOutput, loadComponents};
