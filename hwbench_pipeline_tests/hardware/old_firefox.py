"""A program that plays an older Firefox by WebDriver BiDi: it tells of no windows of its own, and names no adapter."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from websockets.sync.server import serve

ANSWERS = {
    "session.new": {"capabilities": {"browserVersion": "128.0"}},
    "session.subscribe": {},
    "browsingContext.getTree": {"contexts": [{"context": "page"}]},
    "browsingContext.navigate": {},
    "script.getRealms": {"realms": [{"realm": "realm"}]},
}
PAGE = {
    "cross_origin_isolated": True,
    "wasm_threads": True,
    "wasm_simd": True,
    "webgpu": {"adapter": {"vendor": "", "architecture": "", "device": "", "description": "", "is_fallback": None}},
    "webnn": dict.fromkeys(("cpu", "gpu", "npu"), "navigator.ml is undefined"),
    "webnn_devices": {},
    "told": "limits",
}


def answer(connection):
    for message in connection:
        asked = json.loads(message)
        noise = {"type": "event", "method": "log.entryAdded", "params": {"text": "a line of the page"}}
        connection.send(json.dumps(noise))
        called = {"type": "success", "result": {"type": "string", "value": json.dumps(PAGE)}}
        result = ANSWERS.get(asked["method"], called)
        connection.send(json.dumps({"type": "success", "id": asked["id"], "result": result}))


if __name__ == "__main__":
    profile = Path(sys.argv[sys.argv.index("--profile") + 1])
    with serve(answer, "127.0.0.1", 0) as server:
        time.sleep(0.2)
        where = {"ws_host": "127.0.0.1", "ws_port": server.socket.getsockname()[1]}
        (profile / "WebDriverBiDiServer.json").write_text(json.dumps(where))
        server.serve_forever()
