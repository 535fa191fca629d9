#!/bin/sh
# See to a browser: use the one that is installed, else install Debian's where that is allowed, else say in one line what is
# missing. Never fails: without it the web parts say so and the rest goes on.
# usage: ensure_browser.sh PYTHON [firefox]    without "firefox": one of Chromium's, which the web platforms are measured in
python=$1
if [ "$2" = firefox ]; then
    finder=find_firefox
    package=firefox-esr
    missing="no Firefox here: its tests are skipped. Fix: install it (Debian: apt-get install firefox-esr), or set HWBENCH_FIREFOX to its path"
else
    finder=find_browser
    package=chromium
    missing="no Chrome, Chromium or Edge here: the web platforms say no_hardware, or are measured in Firefox, and the UI test is skipped. Fix: install one (Debian: apt-get install chromium), or set HWBENCH_BROWSER to its path"
fi

found() {
    "$python" -c "import sys
from hwbench_pipeline.hardware.browsers import $finder
sys.exit($finder() is None)" 2>/dev/null
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
        echo "none found: installing Debian's $package"
        log=$(mktemp)
        $as_root apt-get update >"$log" 2>&1
        $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$package" >>"$log" 2>&1 \
            || tail -n 3 "$log"
        rm -f "$log"
    fi
fi
found || echo "$missing"
exit 0
