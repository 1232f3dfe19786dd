// The page of the local queue: it shows what the queue's events say, and sends actions.

const $ = (id) => document.getElementById(id);
const given = new URLSearchParams(location.search).get("token");
if (given) {
  sessionStorage.setItem("token", given);
  history.replaceState(null, "", location.pathname + location.hash);
}
const token = sessionStorage.getItem("token") ?? "";

let state = { jobs: [], workers: [], counts: {}, skipped: 0 };
let detail = null; // the job that is shown
let started = Date.now();

async function call(path, body) {
  const options = { headers: { "X-Page-Token": token } };
  if (body !== undefined) Object.assign(options, { method: "POST", body: typeof body === "string" ? body : JSON.stringify(body) });
  const response = await fetch(`/page/${path}`, options);
  const answer = await response.json().catch(() => ({}));
  if (!response.ok) throw new Error(answer.error ?? `error ${response.status}`);
  return answer;
}

let hideToast;
function say(text) {
  $("toast").textContent = text;
  clearTimeout(hideToast);
  hideToast = setTimeout(() => { $("toast").textContent = ""; }, 4000);
}

function act(action, body, done) {
  return call(action, body).then((answer) => { say(typeof done === "function" ? done(answer) : done); return answer; }).catch((error) => say(error.message));
}

// Building elements; text is never parsed as HTML.

function element(name, attributes = {}, ...children) {
  const node = name === "svg" || name === "rect" ? document.createElementNS("http://www.w3.org/2000/svg", name) : document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key === "onclick") node.addEventListener("click", value);
    else if (value !== undefined && value !== null && value !== false) node.setAttribute(key, value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

function duration(ms) {
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 120000) return `${(ms / 1000).toFixed(1)} s`;
  return ms < 7200000 ? `${(ms / 60000).toFixed(1)} min` : `${(ms / 3600000).toFixed(1)} h`;
}

const now = () => Date.now() + 1000 * state.skipped;

function waterfall(job, tall) {
  const end = job.endedAt ?? Math.max(now(), job.startedAt ?? job.queuedAt);
  const whole = Math.max(end - job.queuedAt, 1);
  const at = (time) => (100 * (time - job.queuedAt)) / whole;
  const runsFrom = job.startedAt ?? end;
  const kind = { COMPLETED: "ok", IN_PROGRESS: "run" }[job.status] ?? "bad";
  const height = tall ? 14 : 20;
  const words = `waited ${duration(runsFrom - job.queuedAt)}${job.startedAt ? `, ran ${duration(end - job.startedAt)}` : ""}`;
  const svg = element("svg", { class: tall ? "fall tall" : "fall", viewBox: "0 0 100 20", preserveAspectRatio: "none", role: "img", "aria-label": words },
    element("rect", { class: "rail", x: 0, y: 0, width: 100, height }),
    element("rect", { class: "wait", x: 0, y: 0, width: Math.max(at(runsFrom), 1), height }));
  if (job.startedAt) svg.append(element("rect", { class: kind, x: Math.min(at(runsFrom), 99), y: 0, width: Math.max(100 - at(runsFrom), 1), height }));
  for (const entry of tall ? job.history.filter((one) => one.kind === "chunk" || one.kind === "progress") : []) {
    svg.append(element("rect", { class: "tick", x: Math.min(at(entry.at), 99.6), y: 15, width: 0.4, height: 5 }));
  }
  return svg;
}

function total(job) {
  return duration((job.endedAt ?? Math.max(now(), job.queuedAt)) - job.queuedAt);
}

// The queue

function showQueue() {
  document.title = `${state.endpoint}: local queue`;
  $("endpoint").textContent = state.endpoint;
  $("pause").textContent = state.paused ? "Resume" : "Pause";
  $("pause").setAttribute("aria-pressed", String(state.paused));
  const counts = state.counts;
  const tiles = [["in queue", counts.inQueue], ["in progress", counts.inProgress], ["completed", counts.completed], ["failed", counts.failed], ["retried", counts.retried]];
  if (state.skipped) tiles.push(["clock ahead", duration(1000 * state.skipped)]);
  $("tiles").replaceChildren(...tiles.map(([name, number]) => element("div", { class: "tile" }, element("b", {}, String(number ?? 0)), element("span", {}, name))));
  $("workers").replaceChildren(...(state.workers.length ? state.workers.map((worker) =>
    element("li", { class: `pill ${worker.state}`, title: worker.jobs.join(" ") }, `${worker.id} ${worker.state}`)) : [element("li", { class: "pill" }, "none")]));
  showJobs();
}

function showJobs() {
  const wanted = $("filter").value.toLowerCase();
  const jobs = state.jobs.filter((job) => !wanted || `${job.id} ${job.status} ${job.preview}`.toLowerCase().includes(wanted));
  const focused = document.activeElement?.dataset?.job;
  $("jobs").replaceChildren(...jobs.map((job) => element("li", {}, element("button", { class: "job", "data-job": job.id, "aria-current": String(job.id === detail?.id), onclick: () => openJob(job.id) },
    element("span", { class: `pill ${job.status}` }, job.status),
    element("span", { class: "what" }, element("span", { class: "name" }, job.id), element("span", { class: "preview" }, job.preview)),
    waterfall(job, false),
    element("span", { class: "time" }, total(job))))));
  $("empty").hidden = jobs.length > 0;
  $("empty").textContent = state.jobs.length ? "No job matches." : "No jobs yet. Submit one here, or from your program.";
  if (focused) $("jobs").querySelector(`[data-job="${CSS.escape(focused)}"]`)?.focus({ preventScroll: true });
}

// One job

let wanted = null; // the id of the job that was opened last
let requests = 0, newest = 0; // a response that comes late shows neither another job nor an older state

async function openJob(id, quietly) {
  if (!quietly || wanted === null) wanted = id;
  const request = ++requests;
  let job;
  try {
    job = await call(`jobs/${encodeURIComponent(id)}`);
  } catch (error) {
    if (id === wanted) wanted = detail?.id ?? null;
    if (!quietly) say(error.message);
    return;
  }
  if (id !== wanted || request < newest) return;
  newest = request;
  detail = job;
  location.hash = id;
  showDetail();
  if (!quietly) { showJobs(); $("detail").focus({ preventScroll: true }); if (matchMedia("(max-width: 760px)").matches) $("detail").scrollIntoView(); }
}

function closeJob() {
  const id = detail?.id;
  detail = wanted = null;
  $("detail").hidden = true;
  history.replaceState(null, "", location.pathname);
  showJobs();
  $("jobs").querySelector(`[data-job="${CSS.escape(id ?? "")}"]`)?.focus();
}

function block(title, text, kind) {
  return element("div", {}, element("h3", {}, title), element("pre", { class: kind, tabindex: 0, role: "group", "aria-label": title }, text));
}

function failure(error) {
  try {
    const told = JSON.parse(error);
    if (told.error_message !== undefined) return [`${told.error_type.replace(/^<class '(.*)'>$/, "$1")}: ${told.error_message}`, told.error_traceback];
  } catch { /* plain text */ }
  const parts = error.split(/\s*\ntraceback: /);
  if (parts.length === 2) return [parts[0].replace(/^handler: /, ""), parts[1]];
  return [error, null];
}

function showDetail() {
  const job = detail;
  const ended = job.endedAt !== null;
  const facts = [["Status", element("span", { class: `pill ${job.status}` }, job.status)]];
  facts.push(["Waited", duration((job.startedAt ?? job.endedAt ?? now()) - job.queuedAt)]);
  if (job.startedAt) facts.push(["Ran", duration((job.endedAt ?? now()) - job.startedAt)]);
  if (job.worker) facts.push(["Worker", element("span", { class: "mono" }, job.worker)]);
  if (job.retries) facts.push(["Retries", String(job.retries)]);
  if (job.webhook) facts.push(["Webhook", job.webhook]);
  const parts = [
    element("div", { class: "buttons" },
      element("button", { id: "rerun", onclick: () => openSubmit(job.input) }, "Rerun with edits"),
      ended ? null : element("button", { id: "cancel", class: "danger", onclick: () => act("cancel", { id: job.id }, "Cancelled") }, "Cancel"),
      job.status === "FAILED" || job.status === "TIMED_OUT" ? element("button", { id: "retry", onclick: () => act("retry", { id: job.id }, "Queued again") }, "Retry") : null),
    element("div", {}, element("h3", {}, "Time"), waterfall(job, true)),
    element("dl", { class: "facts" }, ...facts.flatMap(([name, value]) => [element("dt", {}, name), element("dd", {}, value)])),
    block("Input", job.input)];
  if (job.progress !== undefined) parts.push(block("Progress", job.progress));
  if (job.error !== null) {
    const [message, trace] = failure(job.error);
    parts.push(block("Error", message, "bad"));
    if (trace) parts.push(block("Traceback", trace));
  }
  if (job.output !== undefined) parts.push(block("Output", job.output));
  if (job.history.length) {
    parts.push(element("div", {}, element("h3", {}, "History"), element("ol", { class: "chunks", tabindex: 0, "aria-label": "History" }, ...job.history.map((entry) =>
      element("li", {}, element("span", { class: "muted" }, `+${duration(entry.at - job.queuedAt)}`), element("span", {}, entry.kind), element("span", { class: "mono" }, entry.value ?? ""))))));
  }
  if (job.log) parts.push(block("Worker log", job.log));
  const scrolled = [...$("detail-body").querySelectorAll("pre, .chunks")].map((node) => node.scrollTop);
  const focused = document.activeElement?.closest("#detail-body") ? document.activeElement.id : null;
  $("detail-title").textContent = job.id;
  $("detail-body").replaceChildren(...parts);
  [...$("detail-body").querySelectorAll("pre, .chunks")].forEach((node, index) => { node.scrollTop = scrolled[index] ?? 0; });
  if (focused) $(focused)?.focus();
  $("detail").hidden = false;
}

// Dialogs

function openSubmit(input) {
  if (input !== undefined) $("submit-input").value = input;
  $("submit-error").textContent = "";
  $("submit").showModal();
}

$("submit-send").addEventListener("click", (event) => {
  event.preventDefault();
  const input = $("submit-input").value;
  try {
    JSON.parse(input);
  } catch (error) {
    $("submit-error").textContent = `Not valid JSON: ${error.message}`;
    return;
  }
  const policy = {};
  if ($("submit-ttl").value) policy.ttl = Math.round(1000 * $("submit-ttl").value);
  if ($("submit-timeout").value) policy.executionTimeout = Math.round(1000 * $("submit-timeout").value);
  if ($("submit-low").checked) policy.lowPriority = true;
  call("submit", `{"input":${input},"policy":${JSON.stringify(policy)}}`).then(({ id }) => { $("submit").close(); say("Submitted"); openJob(id); }).catch((error) => { $("submit-error").textContent = error.message; });
});

const number = (id) => ($(id).value === "" ? null : Number($(id).value));
function onSend(dialog, send) {
  $(`open-${dialog}`).addEventListener("click", () => $(dialog).showModal());
  $(`${dialog}-send`).addEventListener("click", (event) => {
    event.preventDefault();
    if (!$(dialog).querySelector("form").reportValidity()) return;
    $(dialog).close();
    send();
  });
}
$("open-submit").addEventListener("click", () => openSubmit());
onSend("advance", () => act("advance", { seconds: number("advance-seconds") }, "The clock was advanced"));
onSend("inject", () => act("inject", { kind: $("inject-kind").value, operation: $("inject-operation").value, times: number("inject-times"), seconds: number("inject-seconds") }, "The fault waits for the next request"));
onSend("purge", () => act("purge", {}, (answer) => `${answer.removed} jobs were removed`));
$("pause").addEventListener("click", () => act("pause", { paused: !state.paused }, state.paused ? "Resumed" : "Paused"));
$("close-detail").addEventListener("click", closeJob);
$("filter").addEventListener("input", showJobs);
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && detail && !document.querySelector("dialog[open]")) closeJob();
});

// Live

const events = new EventSource(`/page/events?token=${encodeURIComponent(token)}`);
events.onmessage = (event) => {
  state = JSON.parse(event.data);
  $("connection").textContent = "live";
  $("connection").className = "connection live";
  showQueue();
  if (detail) openJob(detail.id, true);
  else if (location.hash.length > 1 && Date.now() - started < 2000) openJob(location.hash.slice(1), true);
};
events.onerror = () => {
  $("connection").textContent = token ? "not connected" : "open the page with the URL that was printed";
  $("connection").className = "connection lost";
};
setInterval(() => { if (state.jobs.some((job) => job.endedAt === null)) showJobs(); }, 1000);
