#!/bin/sh
# See to the packages that the measuring page loads (onnxruntime-web), as its package-lock.json pins them. Never fails:
# without them the web platforms say so and the rest goes on.
# usage: ensure_web_runtime.sh FOLDER
folder=$1

# npm leaves a copy of the lock behind: where it is newer than the lock, nothing has changed
[ "$folder/node_modules/.package-lock.json" -nt "$folder/package-lock.json" ] && exit 0
if ! command -v npm >/dev/null 2>&1 && command -v apt-get >/dev/null 2>&1 && [ "$(id -u)" = 0 ]; then
    echo "no npm found: installing Debian's"
    apt-get update >/dev/null 2>&1
    env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends npm >/dev/null 2>&1
fi
if ! command -v npm >/dev/null 2>&1; then
    echo "no npm here: the web platforms say that onnxruntime-web is not installed. Fix: install Node.js with npm, then npm ci --prefix $folder"
    exit 0
fi
npm ci --prefix "$folder" --ignore-scripts --no-audit --no-fund --loglevel=error >/dev/null \
    || echo "npm could not install what the measuring page loads. Fix: npm ci --prefix $folder"
exit 0
