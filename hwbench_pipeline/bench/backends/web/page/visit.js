// A person's own browser as the measuring one: it asks the server what to do, does it in a frame, and tells what came of it.
//
// Belongs here: what the person sees, and the way between server and frame. Does not belong here: the measuring, which the
// frame's page does (`session.js`), or what is measured (`visitor.py`).

import {bytesOf} from "./fetching.js";
import {ask} from "./questions.js";

const shown = (id) => document.getElementById(id);
let visitor = null;
let frame = null;
let printed = [];

async function post(path, body) {
  const answer = await fetch(`/${path}`, {method: "POST", body: JSON.stringify(body)});
  if (!answer.ok) throw new Error(`the server answered ${answer.status} ${answer.statusText}`);
  return answer.json();
}

// A new frame has a new page in it, with nothing left of the model before.
async function open() {
  frame?.remove();
  frame = document.createElement("iframe");
  frame.title = "the model being measured";
  frame.src = "index.html";
  const loaded = new Promise((resolve) => frame.addEventListener("load", resolve, {once: true}));
  document.body.append(frame);
  await loaded;
  const own = frame.contentWindow.console;
  for (const name of ["debug", "log", "info", "warn", "error"]) {
    const original = own[name];
    own[name] = (...words) => { printed.push(words.map(String).join(" ")); original.apply(own, words); };
  }
  if (!frame.contentWindow.hwbench) throw new Error("the measuring page did not load");
  return true;
}

const tasks = {
  open,
  call: ({name, argument}) => frame.contentWindow.hwbench[name](argument),
  tell: ({cell, on, p50_ms, outcome, done, of}) => {
    const row = shown("cells").rows[cell];
    if (on !== undefined) row.cells[1].textContent = on;
    if (p50_ms !== undefined) row.cells[2].textContent = p50_ms;
    row.cells[3].textContent = outcome;
    Object.assign(shown("bar"), {value: done, max: of});
    shown("state").textContent = `${done} of ${of} done; now: ${row.cells[0].textContent}, ${outcome}`;
    return null;
  },
};

async function work() {
  for (;;) {
    const task = await post("next", {visitor});
    if (task.end) return task.end;
    if (!task.kind) continue;
    const told = {visitor, id: task.id};
    try { told.value = await tasks[task.kind](task); }
    catch (error) { told.error = String(error?.message ?? error); }
    told.printed = printed;
    printed = [];
    await post("answer", told);
  }
}

async function facts() {
  return {
    ...(await ask()), user_agent: navigator.userAgent, platform: navigator.userAgentData?.platform ?? navigator.platform ?? null,
    brands: navigator.userAgentData?.brands ?? null, hardware_concurrency: navigator.hardwareConcurrency ?? null,
    cross_origin_isolated: crossOriginIsolated,
  };
}

function list(cells) {
  for (const cell of cells) {
    const row = shown("cells").insertRow();
    for (const text of [cell.model, cell.hardware, "", "waiting"]) row.insertCell().textContent = text;
    row.cells[2].className = "number";
  }
  shown("cells").parentElement.hidden = shown("bar").hidden = false;
}

shown("begin").addEventListener("submit", async (event) => {
  event.preventDefault();
  shown("start").disabled = true;
  shown("state").textContent = "asking this browser what it has";
  try {
    const arrived = await post("arrive", {machine: shown("machine").value.trim(), facts: await facts()});
    if (arrived.busy) {
      shown("state").textContent = "Somebody else's browser is being measured. Try again when it is done.";
      shown("start").disabled = false;
      return;
    }
    visitor = arrived.visitor;
    list(arrived.cells);
    window.addEventListener("pagehide", () => { if (visitor) navigator.sendBeacon("/leave", JSON.stringify({visitor})); });
    const end = await work();
    frame?.remove();
    shown("bar").value = shown("bar").max;
    shown("state").textContent = end.summary;
    // kept in the page: the server may have ended when the person gets to it
    const bundle = new Blob([await bytesOf(end.bundle)], {type: "application/gzip"});
    Object.assign(shown("bundle").querySelector("a"), {href: URL.createObjectURL(bundle), download: end.name});
    shown("bundle").hidden = false;
    await post("leave", {visitor});
    visitor = null;
  } catch (error) {
    shown("state").textContent = `It stopped: ${error.message}. Load this page again to begin anew.`;
  }
});
