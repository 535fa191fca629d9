"""Browsers: an exported model run by onnxruntime-web in a page of ours, on WebAssembly, WebGPU or WebNN.

Belongs here: the local server (`serving`), the browser and its page (`browser`, `firefox`, `page/`), and the session that the engine
measures (`backend`). Does not belong here: the export (`bench.backends.onnx_files`), or asking a browser what it can do
(`hardware.web_questions`).
"""
