#!/bin/sh
# See to a Chromium-based browser: use the one that is installed, else install Debian's where that is allowed, else
# say in one line what is missing. Never fails: without a browser the web parts say so and the rest goes on.
# usage: ensure_browser.sh PYTHON
python=$1

found() {
    "$python" -c 'import sys
from hwbench_pipeline.hardware.browsers import find_browser
sys.exit(find_browser() is None)' 2>/dev/null
}

found && exit 0
if command -v apt-get >/dev/null 2>&1; then
    if [ "$(id -u)" = 0 ]; then
        as_root=
    elif command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null; then
        as_root="sudo -n"
    else
        as_root=no
    fi
    if [ "$as_root" != no ]; then
        echo "no browser found: installing Debian's chromium"
        log=$(mktemp)
        $as_root apt-get update >"$log" 2>&1
        $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends chromium >>"$log" 2>&1 \
            || tail -n 3 "$log"
        rm -f "$log"
    fi
fi
found || echo "no Chrome, Chromium or Edge here: the web platforms say no_hardware and the UI test is skipped. Fix: install one (Debian: apt-get install chromium), or set HWBENCH_BROWSER to its path"
exit 0
