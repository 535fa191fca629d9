"""What a headless browser answers about WebGPU, WebNN and WebAssembly; run as a process by `asking`.

Belongs here: the one visit to a page that asks. Does not belong here: what the answer means (`probing`), and
measuring in the browser.
"""

from __future__ import annotations

import http.server
import os
import sys
import threading
from pathlib import Path

from hwbench_pipeline.hardware.asking import print_answer
from hwbench_pipeline.hardware.browsers import is_firefox
from hwbench_pipeline.hardware.firefox import Firefox, with_names

BROWSER_FLAGS = ("--enable-unsafe-webgpu", "--enable-features=WebMachineLearningNeuralNetwork")
"""Without the first, Chromium on Linux offers no adapter; without the second it has no navigator.ml."""

PAGE_TIMEOUT_MS = 15_000

QUESTIONS = """async () => {
  const answer = {
    secure_context: isSecureContext, cross_origin_isolated: crossOriginIsolated, webgpu: {}, webnn: {}, webnn_devices: {},
    wasm_threads: hasThreads(), wasm_simd: hasSimd(),
  };
  if (!navigator.gpu) answer.webgpu.error = "navigator.gpu is undefined";
  else try {
    const adapter = await navigator.gpu.requestAdapter({powerPreference: "high-performance"});
    if (!adapter) answer.webgpu.error = "requestAdapter() gave null";
    else {
      const info = adapter.info;
      answer.webgpu.adapter = {
        vendor: info.vendor, architecture: info.architecture, device: info.device, description: info.description,
        is_fallback: info.isFallbackAdapter ?? adapter.isFallbackAdapter ?? null,
        has_fp16: adapter.features.has("shader-f16"),
      };
    }
  } catch (error) { answer.webgpu.error = String(error); }
  for (const device of ["cpu", "gpu", "npu"]) {
    if (!navigator.ml) { answer.webnn[device] = "navigator.ml is undefined"; continue; }
    try { answer.webnn_devices[device] = await multiply(device); answer.webnn[device] = null; }
    catch (error) { answer.webnn[device] = String(error); }
  }
  return answer;

  // A module with the start of all modules, and: a function () -> v128 of `i32.const 0; i8x16.splat`
  function hasSimd() {
    return WebAssembly.validate(new Uint8Array([
      0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 8, 1, 6, 0, 65, 0, 253, 15, 11,
    ]));
  }

  // Memory that several threads share, and that another thread may really be sent.
  function hasThreads() {
    try {
      const {buffer} = new WebAssembly.Memory({initial: 1, maximum: 1, shared: true});
      new MessageChannel().port1.postMessage(buffer);
      return buffer instanceof SharedArrayBuffer;
    } catch { return false; }
  }

  // A context alone proves nothing: two matrices are multiplied, and the product is compared.
  async function multiply(deviceType) {
    const context = await navigator.ml.createContext({deviceType});
    const kind = {dataType: "float32", shape: [2, 2]};
    const builder = new MLGraphBuilder(context);
    const left = builder.input("left", kind), right = builder.constant(kind, new Float32Array([1, 2, 3, 4]));
    const graph = await builder.build({product: builder.matmul(left, right)});
    const given = await context.createTensor({...kind, writable: true});
    const product = await context.createTensor({...kind, readable: true});
    context.writeTensor(given, new Float32Array([1, 1, 0, 2]));
    context.dispatch(graph, {left: given}, {product});
    const found = [...new Float32Array(await context.readTensor(product))];
    if (found.join() !== "4,6,6,8") throw new Error(`a matrix product gave ${found.join()} in place of 4,6,6,8`);
    return graph.devices ? [...graph.devices] : null;
  }
}"""


class _EmptyPage(http.server.BaseHTTPRequestHandler):
    """navigator.gpu and navigator.ml exist only in a secure context, which http://127.0.0.1 is and a data: URL is not.

    The headers are those of the measuring page, without which no page has threads.
    """

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Cross-Origin-Opener-Policy", "same-origin")
        self.send_header("Cross-Origin-Embedder-Policy", "require-corp")
        self.end_headers()
        self.wfile.write(b"<!doctype html><title>hwbench</title>")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 — the name of the base class
        """Nothing: standard error is for what goes wrong."""


def ask_browser(executable: str) -> dict[str, object]:
    """Open the browser headless and return its version with its answers to QUESTIONS.

    Raises ImportError without what drives it (playwright, websockets for Firefox), playwright's Error or `FirefoxError` when
    the browser does not start or answer.
    """
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _EmptyPage)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}/"
    return _ask_firefox(executable, address) if is_firefox(Path(executable)) else _ask_chromium(executable, address)


def _ask_chromium(executable: str, address: str) -> dict[str, object]:
    from playwright.sync_api import sync_playwright

    is_root = hasattr(os, "geteuid") and os.geteuid() == 0
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=executable,
            args=list(BROWSER_FLAGS),
            chromium_sandbox=not is_root,  # Chromium refuses to start its sandbox as root
            timeout=PAGE_TIMEOUT_MS,
        )
        page = browser.new_page()
        page.goto(address, timeout=PAGE_TIMEOUT_MS)
        answer: dict[str, object] = page.evaluate(QUESTIONS)
        answer["browser_version"] = browser.version
        browser.close()
    return answer


def _ask_firefox(executable: str, address: str) -> dict[str, object]:
    with Firefox(Path(executable)) as firefox:
        firefox.open(address)
        answer: dict[str, object] = firefox.call(QUESTIONS, timeout_s=PAGE_TIMEOUT_MS / 1000)
        webgpu = answer["webgpu"]
        if isinstance(webgpu, dict) and "adapter" in webgpu:
            webgpu["adapter"] = with_names(webgpu["adapter"], firefox.named_adapter())
        answer["browser_version"] = firefox.version
    return answer


if __name__ == "__main__":
    print_answer(ask_browser(sys.argv[1]))
