/** What the page knows of a run: its data, and what follows from them, computed once for each. */
/** @import { PageAttempt, PageData, PageNode, PageState, PageWait } from "../page_data.ts" */

/**
 * A node, and what follows from its attempts.
 *
 * @typedef {object} Node
 * @property {PageNode} data What is recorded of it.
 * @property {number} place Where it stands among all.
 * @property {string} key What it is known by, also in newer data.
 * @property {number | undefined} startMs When it began.
 * @property {number | undefined} endMs When it ended; as long as it runs, now.
 * @property {number | undefined} tookMs How long its attempts took together.
 * @property {number | undefined} waitedMs How long it could have run and did not.
 * @property {number[]} neededBy The nodes that need it.
 * @property {boolean} isCritical Whether it is on the critical path.
 * @property {boolean} hasFailedAttempt Whether an attempt at it failed, whatever became of it then.
 */

/**
 * An attempt as a span of time.
 *
 * @typedef {object} Span
 * @property {Node} node What it is at.
 * @property {PageAttempt} attempt What is recorded of it.
 * @property {number} readyMs Since when it could have begun.
 * @property {number} startMs When it began.
 * @property {number} endMs When it ended; as long as it runs, now.
 */

/**
 * @typedef {object} Model
 * @property {PageData} data What the page was given.
 * @property {Node[]} nodes All nodes.
 * @property {Map<string, Node>} byKey The same by their keys.
 * @property {Span[]} spans All attempts, and sleeps, that have a time, the first to begin first.
 * @property {number} totalMs How long the time is that is shown.
 * @property {"node" | "step"} noun What its parts are called.
 * @property {Record<PageState, number>} counts How many nodes are in each state.
 */

/**
 * What follows from the data of a page.
 *
 * @param {PageData} data The data.
 * @returns {Model}
 */
export function makeModel(data) {
  const totalMs = Math.max(1, lastMsOf(data));
  const nodes = data.nodes.map((node, place) => makeNode(node, { place, totalMs }));
  for (const { data: { needs }, place } of nodes) {
    for (const need of needs) nodes[need]?.neededBy.push(place);
  }
  for (const place of data.critical.nodes) {
    const node = nodes[place];
    if (node !== undefined) node.isCritical = true;
  }
  const rows = [
    ...nodes,
    ...data.waits.flatMap((wait, place) => sleepNode(wait, { place, totalMs })),
  ];
  const counts = {
    completed: 0,
    failed: 0,
    cancelled: 0,
    running: 0,
    waiting: 0,
    skipped: 0,
    pending: 0,
  };
  for (const { state } of data.nodes) counts[state]++;
  return {
    data,
    nodes,
    byKey: new Map(nodes.map((node) => [node.key, node])),
    spans: rows.flatMap((node) => spansOf(node, totalMs)).sort((a, b) => a.startMs - b.startMs),
    totalMs,
    noun: data.run.kind === "program" ? "step" : "node",
    counts,
  };
}

/**
 * A sleep of a program has a row in the timeline, and is no node else.
 *
 * @param {PageWait} wait What waits.
 * @param {{ place: number, totalMs: number }} known Where it stands among all that do, and how long all takes.
 * @returns {Node[]}
 */
function sleepNode({ id, kind, fromMs, toMs, text }, { place, totalMs }) {
  if (kind !== "sleep") return [];
  /** @type {PageState} */
  const state = toMs === undefined ? "waiting" : "completed";
  const times = { startMs: fromMs, ...(toMs !== undefined && { endMs: toMs }) };
  const attempt = {
    number: 1,
    state,
    text,
    ...times,
    isGate: /** @type {const} */ (true),
    outputs: [],
    error: [],
  };
  const data = {
    id,
    key: `~sleep-${place}`,
    state,
    text,
    about: [],
    needs: [],
    deferrals: [],
    attempts: [attempt],
  };
  return [makeNode(data, { place, totalMs })];
}

/**
 * Up to when something is known.
 *
 * @param {PageData} data The data.
 * @returns {number}
 */
function lastMsOf({ run, readMs, nodes, waits }) {
  const nowMs = run.isLive && run.beganMs !== null ? readMs - run.beganMs : 0;
  let lastMs = Math.max(nowMs, run.durationMs ?? 0);
  for (const { attempts } of nodes) {
    for (const { startMs = 0, endMs = startMs } of attempts) lastMs = Math.max(lastMs, endMs);
  }
  for (const { fromMs, toMs = fromMs } of waits) lastMs = Math.max(lastMs, toMs);
  return lastMs;
}

/**
 * @param {PageNode} data What is recorded of a node.
 * @param {{ place: number, totalMs: number }} known Where it stands, and how long all takes.
 * @returns {Node}
 */
function makeNode(data, { place, totalMs }) {
  const { id, key = id, attempts } = data;
  const [first] = attempts;
  const last = attempts.at(-1);
  const hasBegun = first?.startMs !== undefined;
  let [tookMs, waitedMs] = [0, 0];
  for (const { startMs, endMs = totalMs, readyMs = startMs } of attempts) {
    if (startMs === undefined) continue;
    tookMs += endMs - startMs;
    waitedMs += startMs - (readyMs ?? startMs);
  }
  return {
    data,
    place,
    key,
    startMs: first?.startMs,
    endMs: last?.startMs === undefined ? undefined : last.endMs ?? totalMs,
    tookMs: hasBegun ? tookMs : undefined,
    waitedMs: hasBegun ? waitedMs : undefined,
    neededBy: [],
    isCritical: false,
    hasFailedAttempt: attempts.some(isFailure),
  };
}

/**
 * Whether something has not come to its end as it should.
 *
 * @param {{ state: PageState }} what A node or an attempt.
 * @returns {boolean}
 */
export function isFailure({ state }) {
  return state === "failed" || state === "cancelled";
}

/**
 * @param {Node} node A node.
 * @param {number} totalMs How long all takes.
 * @returns {Span[]}
 */
function spansOf(node, totalMs) {
  return node.data.attempts.flatMap((attempt) => {
    const { startMs, endMs = totalMs, readyMs = startMs } = attempt;
    if (startMs === undefined) return [];
    return [{ node, attempt, startMs, endMs, readyMs: readyMs ?? startMs }];
  });
}
