// Unpack the Chromium of npm's @sparticuz/chromium beside this file, with the software renderer that it starts with.
//
// Belongs here: decompressing. `make webnn` runs it after npm ci; hwbench finds the result (`hardware.browsers`).

import {createReadStream, createWriteStream} from "node:fs";
import {chmod, mkdir, rename, rm} from "node:fs/promises";
import {dirname, join} from "node:path";
import {pipeline} from "node:stream/promises";
import {fileURLToPath} from "node:url";
import {createBrotliDecompress} from "node:zlib";
import {extract} from "tar-fs";

const here = dirname(fileURLToPath(import.meta.url));
const packed = join(here, "node_modules", "@sparticuz", "chromium", "bin");
const target = join(here, "unpacked"), half = `${target}.part`;

await rm(half, {recursive: true, force: true});
await mkdir(half);
await pipeline(createReadStream(join(packed, "chromium.br")), createBrotliDecompress(), createWriteStream(join(half, "chromium")));
await chmod(join(half, "chromium"), 0o755);
await pipeline(createReadStream(join(packed, "swiftshader.tar.br")), createBrotliDecompress(), extract(half));
await rm(target, {recursive: true, force: true});
await rename(half, target);
console.log(join(target, "chromium"));
