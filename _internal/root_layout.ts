import { checkString, checkTypes } from "./errors.ts";
import { absolute, isWindows, join, SEPARATOR } from "./path.ts";
import { decodeUtf8, encodeUtf8, fromHex, isWindowsDevice, toFileName, toHex } from "./text.ts";

/**
 * Where everything below a root is. No other file joins such a path by hand, so that this page is
 * the whole map:
 *
 *     ROOT/
 *       .gitignore  .ulid-last  digest.key
 *       runs/<run id>/
 *         run.json  events.jsonl  live.lock                          the event log
 *         events.jsonl.torn-<n>  events.jsonl.lost-<n>               what was kept of it
 *         events.lock                                                where locks block readers
 *         flow.json  capture.jsonl  capture.json  trace.json         the run engine
 *         processes.jsonl                                            what it has started
 *         inbox.jsonl                                                what is left for its holder
 *         nodes/<node>.<attempt>.out|err|result                      what attempts gave
 *         nodes/<node>.<attempt>.times                               when they printed it
 *       runs/.received-<uuid>/                                       a run that is on its way in
 *       flows/<flow>.lock                                            who runs a flow alone
 *       .drill                                                       what a drill and its process say
 *       runtimes/id-<hexadecimal id>/
 *         runtime.json  events.jsonl  owner.lock  journal-<n>.jsonl  the store
 *         workers/id-<hexadecimal id>/worker.json  transcript.jsonl
 */

/** The name of a root, where it is not chosen. */
export const DEFAULT_ROOT = ".taffrail";

/**
 * Throws a `TypeError` for a root that is a URL: it would become a folder that is named with the
 * password in it. The URL itself is not shown, as this goes to terminals and logs.
 */
export function checkRoot(root: string): void {
  checkTypes({ root }, { root: "string" });
  const scheme = schemeOf(root);
  if (scheme === undefined) return;
  throw new TypeError(`Cannot use a ${scheme}:// URL as root: give the path of a directory`);
}

/** The scheme of a root that is no directory but a URL. One letter is a drive of Windows. */
export function schemeOf(root: string): string | undefined {
  return /^\s*([A-Za-z][A-Za-z0-9+.-]+):\/\//.exec(root)?.[1];
}

/** A root that stays the same wherever the process goes later. Throws as {@linkcode checkRoot} does. */
export function absoluteRoot(root: string): string {
  checkRoot(root);
  return absolute(root);
}

const SYSTEM_FILES = new Set([
  ".DS_Store",
  ".localized",
  ".Spotlight-V100",
  ".TemporaryItems",
  ".Trashes",
  ".fseventsd",
  ".directory",
  "@eaDir",
  "$RECYCLE.BIN",
  "System Volume Information",
  "Thumbs.db",
  "Thumbs.db:encryptable",
  "desktop.ini",
  "lost+found",
].map((name) => name.toLowerCase()));

/**
 * Whether operating systems and file systems leave a file or folder of this name wherever they like:
 * it says nothing about what else is there.
 */
export function isSystemFile(name: string): boolean {
  return SYSTEM_FILES.has(name.toLowerCase()) || name === "Icon\r" ||
    /^(?:\._|\.nfs[0-9a-f]|\.fuse_hidden|\.Trash-\d|\.smbdelete)/.test(name);
}

/** Where the files of a run are. */
export interface RunPaths {
  /** The folder that holds all of them. */
  directory: string;
  /** Name, time and format of the run. */
  run: string;
  /** The event log. */
  events: string;
  /** What a writer locks instead of the log, where a lock keeps readers out. */
  eventsLock: string;
  /** What tells whether the log is open for writing anywhere. */
  liveLock: string;
  /** What the command was asked to run. */
  flow: string;
  /** The capture journal. */
  journal: string;
  /** The capture bundle, made of the journal when the run ends. */
  bundle: string;
  /** The last steps, when something failed. */
  trace: string;
  /** The processes of the attempts. */
  processes: string;
  /** What others leave for whoever holds the run. */
  inbox: string;
  /** What attempts gave. */
  nodes: string;
}

/** Where what a writer left unfinished at the end of a file of lines is kept. */
export function tornPath(path: string, number: number): string {
  return `${path}.torn-${number}`;
}

/** Where lines are kept that the file lacks which has taken the place of one that had them. */
export function lostPath(path: string, number: number): string {
  return `${path}.lost-${number}`;
}

/** What is locked in place of a file of lines, where a lock keeps readers out. */
export function lockBesidePath(path: string): string {
  return `${path}.lock`;
}

/** So that every name which is made of a run id fits, the hexadecimal one of its runtime above all. */
const MAX_RUN_ID_LENGTH = 120;
/** What a ULID and the dash before it leave of that for the name of a run. */
export const MAX_RUN_NAME_LENGTH = MAX_RUN_ID_LENGTH - 27;
/** Far more than a `run.json` has, which is read by everything that looks at a run. */
export const MAX_RUN_FILE_BYTES = 1024 ** 2;
/** What file systems take. */
const MAX_NAME_BYTES = 255;

/** What is wrong with the id of a run that is made or written here; undefined when it is right. */
export function runIdProblem(runId: string): string | undefined {
  if (runId.length < 1 || runId.length > MAX_RUN_ID_LENGTH) {
    return `it must have 1 to ${MAX_RUN_ID_LENGTH} characters`;
  }
  if (!/^[A-Za-z0-9._-]+$/.test(runId)) return "it may only have letters, digits, '.', '_' and '-'";
  if (runId.startsWith(".") || runId.endsWith(".")) return "it may not begin or end with '.'";
  if (isWindowsDevice(runId)) return "it is the name of a Windows device";
  return undefined;
}

/** Throws a `TypeError` for an id that a run is not made or written with here. */
export function checkRunId(runId: string): void {
  refuseRunId(runId, runIdProblem);
}

const ULID_PLACE = "-00000000000000000000000000";

/** Throws a `TypeError` for a name of which no run id can be made. */
export function checkRunName(name: string): void {
  const problem = name.length > MAX_RUN_NAME_LENGTH
    ? `it has ${name.length} characters, and at most ${MAX_RUN_NAME_LENGTH} leave room for the ` +
      "rest of the run id; choose a shorter name"
    : runIdProblem(name + ULID_PLACE);
  if (problem === undefined) return;
  throw new TypeError(`Cannot make a run id of the name ${JSON.stringify(name)}: ${problem}`);
}

/**
 * What is wrong with the id of a run that is only read: nothing, if it can be the name of a folder.
 * Other programs call their runs as they like.
 */
export function foreignRunIdProblem(runId: string): string | undefined {
  if (runId === "") return "it is empty";
  // A character has three bytes at most, and mostly it is far from that.
  if (runId.length * 3 > MAX_NAME_BYTES && encodeUtf8(runId).length > MAX_NAME_BYTES) {
    return `it is longer than the name of a folder can be, ${MAX_NAME_BYTES} bytes`;
  }
  // A name that is no Unicode is shown with U+FFFD, by which it cannot be found.
  if (!runId.isWellFormed() || runId.includes("\ufffd")) return "it is no Unicode";
  if (/\p{Cc}/u.test(runId)) return "it has a control character";
  const isFolder = runId !== "." && runId !== ".." &&
    !(isWindows ? /[/\\:*?"<>|]|[. ]$/ : /\//).test(runId);
  if (!isFolder) return "it cannot be the name of a folder";
  return isWindows && isWindowsDevice(runId) ? "it is the name of a Windows device" : undefined;
}

function refuseRunId(runId: string, problemOf: (runId: string) => string | undefined): void {
  checkTypes({ runId }, { runId: "string" });
  const problem = problemOf(runId);
  if (problem !== undefined) {
    throw new TypeError(`Cannot use run id ${JSON.stringify(runId)}: ${problem}`);
  }
}

/** The folder below a root that holds the runs. */
export function runsDirectory(root: string): string {
  checkRoot(root);
  return join(root, "runs");
}

/**
 * Where the files of a run are, whether or not they are there. The id is checked first: no path can escape
 * the root. Other programs may have called their runs as no run is called that is made here.
 */
export function runPaths(root: string, runId: string): RunPaths {
  refuseRunId(runId, foreignRunIdProblem);
  const directory = join(runsDirectory(root), runId);
  // The directory is normalized, and joining that with each name again takes longer than all else.
  const below = (name: string) => directory + SEPARATOR + name;
  return {
    directory,
    run: below("run.json"),
    events: below("events.jsonl"),
    eventsLock: below("events.lock"),
    liveLock: below("live.lock"),
    flow: below("flow.json"),
    journal: below("capture.jsonl"),
    bundle: below("capture.json"),
    trace: below("trace.json"),
    processes: below("processes.jsonl"),
    inbox: below("inbox.jsonl"),
    nodes: below("nodes"),
  };
}

/** Whether a file of a run that is replaced as a whole has this name. */
export function isReplacedRunFile(name: string): boolean {
  return /^(?:(?:run|flow|capture)\.json|capture\.jsonl|trace(?:\.\d+)?\.json)$/.test(name);
}

/** Which of the two outputs of a command. */
export type OutputStream = "out" | "err";

/** What there can be a file of for each attempt. */
export interface AttemptFile {
  nodeId: string;
  attempt: number;
  stream: OutputStream | "result" | "times";
}

/** Where what an attempt gives is kept. */
export function outputPath(run: { root: string; runId: string }, of: AttemptFile): string {
  return runPaths(run.root, run.runId).nodes + SEPARATOR + outputName(of);
}

/** The name of what is kept of an attempt. */
export function outputName({ nodeId, attempt, stream }: AttemptFile): string {
  return `${toFileName(nodeId)}.${attempt}.${stream}`;
}

/** What keeps a root out of the repository that it lies in. */
export function gitignorePath(root: string): string {
  return join(root, ".gitignore");
}

/** What holds the last ULID that was given out for a run. */
export function lastUlidPath(root: string): string {
  return join(root, ".ulid-last");
}

/** What holds the key for digests of values that are not recorded. */
export function digestKeyPath(root: string): string {
  return join(root, "digest.key");
}

/** What that file holds: a key, or what its maker left who was killed or lost the power, or no key. */
export function contentOfDigestKey(text: string): "key" | "unmade" | "other" {
  if (/^[0-9a-f]{64}\n$/.test(text)) return "key";
  return text.length < 65 || /^\0*$/.test(text) ? "unmade" : "other";
}

/** The folder, and in it the file, whose lock is held by who runs a flow that may run only once at a time. */
export function flowLockPaths(root: string, flow: string): { directory: string; lock: string } {
  const directory = join(root, "flows");
  return { directory, lock: join(directory, `${toFileName(flow)}.lock`) };
}

/** By which a process knows that it is one of a drill. */
export const DRILL_VARIABLE = "TAFFRAIL_DRILL";

/** The file in a scratch root by which a drill and the process that it drills talk. */
export function drillPath(root: string): string {
  return join(root, ".drill");
}

/** Whether a run has the id that is given to the runs of this name. */
export function isRunOf(name: string, runId: string): boolean {
  return runId.length === name.length + ULID_PLACE.length && runId.startsWith(`${name}-`);
}

const ID_PREFIX = "id-";

/** The name of an id's directory: `id-` and the hexadecimal digits of its UTF-8 bytes. */
export function directoryOfId(id: string): string {
  return ID_PREFIX + toHex(encodeUtf8(id));
}

/** The id whose directory has this name; undefined when it is that of no id. */
export function idOfDirectory(name: string): string | undefined {
  if (!/^id-(?:[0-9a-f]{2})+$/.test(name)) return undefined;
  try {
    return decodeUtf8(fromHex(name.slice(ID_PREFIX.length)));
  } catch {
    return undefined;
  }
}

/** The directory below a root that holds the runtimes. */
export function runtimesDirectory(root: string): string {
  checkRoot(root);
  return join(root, "runtimes");
}

/** Where the files of a runtime are. */
export class RuntimePaths {
  /** The directory of the store. */
  readonly root: string;
  /** The folders from the root down to the runtime's own. */
  readonly folders: readonly string[];
  /** The runtime's directory. */
  readonly directory: string;
  /** Its `runtime.json`. */
  readonly snapshot: string;
  /** The directory of the workers. */
  readonly workers: string;
  /** What an owner of the runtime locks. */
  readonly ownerLock: string;
  /** The name of the events' log, as it stands in a journal. */
  readonly events = "events.jsonl";

  constructor(root: string, runtimeId: string) {
    checkRoot(root);
    this.root = root;
    this.folders = ["runtimes", directoryOfId(runtimeId)];
    this.directory = join(root, ...this.folders);
    this.snapshot = join(this.directory, "runtime.json");
    this.workers = join(this.directory, "workers");
    this.ownerLock = join(this.directory, "owner.lock");
  }

  /** The journal of a number. */
  journal(number: number): string {
    return join(this.directory, `journal-${number}.jsonl`);
  }

  /** The number of the journal of a name; undefined when it is none. */
  static journalNumberOf(name: string): number | undefined {
    const number = /^journal-([1-9]\d{0,14})\.jsonl$/.exec(name)?.[1];
    return number === undefined ? undefined : Number(number);
  }

  /** The directory of a worker. */
  workerDirectory(workerId: string): string {
    return join(this.workers, directoryOfId(workerId));
  }

  /** The `worker.json` in a directory of a worker, which may have another name than it should. */
  snapshotIn(workerDirectory: string): string {
    return join(workerDirectory, "worker.json");
  }

  /** The transcript in a directory of a worker. */
  transcriptIn(workerDirectory: string): string {
    return join(workerDirectory, "transcript.jsonl");
  }

  /** The name of a worker's transcript, as it stands in a journal. */
  transcript(workerId: string): string {
    return `workers/${directoryOfId(workerId)}/transcript.jsonl`;
  }

  /** Where the log of a name is. */
  log(name: string): string {
    return join(this.directory, ...name.split("/"));
  }

  /** Where a repair keeps what it takes out of the way; every repair has a number of its own. */
  quarantine(number: number): string {
    return join(this.directory, `quarantine-${number}`);
  }

  /** Whether a name is that of such a folder. */
  static isQuarantine(name: string): boolean {
    return QUARANTINE.test(name);
  }
}

/** What may stand in a directory of the store. */
export interface DirectoryLayout {
  /** Names of files. */
  files: readonly string[];
  /** Names of directories. */
  directories: readonly string[];
  /** Names of which there may be any number. */
  kept: readonly RegExp[];
}

const QUARANTINE = /^quarantine-\d+$/;
const TORN = /^(?:events|transcript|journal-\d+)\.jsonl\.torn-\d+$/;

/** What may stand in the directory of a runtime. */
export const RUNTIME_LAYOUT: DirectoryLayout = {
  files: ["runtime.json", "events.jsonl", "owner.lock"],
  directories: ["workers"],
  kept: [TORN, /^journal-\d+\.jsonl$/, QUARANTINE],
};

/** What may stand in the directory of a worker. */
export const WORKER_LAYOUT: DirectoryLayout = {
  files: ["worker.json", "transcript.jsonl"],
  directories: [],
  kept: [TORN],
};

/** Whether a file of the store that is replaced as a whole has this name. */
export function isReplacedStoreFile(name: string): boolean {
  return /^(?:(?:runtime|worker)\.json|(?:events|transcript|journal-\d+)\.jsonl)$/.test(name);
}

/** Whether a file of the store is made under this name, ours or the original program's. */
export function isStoreTemp(name: string): boolean {
  const target = /^(.+)\.\d+\.\d+\.tmp$/.exec(name)?.[1];
  return target === undefined
    ? /^\.(?:runtime|worker)\.json\.tmp-\d+-\d+$/.test(name)
    : isReplacedStoreFile(target);
}

/**
 * Where a runtime has its files. `docs/format/store.md` says what they are.
 *
 * Permissions: none.
 *
 * @param root The directory of the store.
 * @param runtimeId The runtime.
 * @returns The directory.
 * @throws {TypeError} If one of them is not a string.
 *
 * @example Usage
 * ```ts
 * import { runtimeDirectory } from "@taffrail/taffrail/store";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(runtimeDirectory("store", "rt-1"), "store/runtimes/id-72742d31");
 * ```
 */
export function runtimeDirectory(root: string, runtimeId: string): string {
  checkString(root, "root");
  checkString(runtimeId, "runtimeId");
  return new RuntimePaths(root, runtimeId).directory;
}

const DIGITS = "0123456789abcdefghjkmnpqrstvwxyz";
const TIME_LENGTH = 10;
const RANDOM_LENGTH = 16;
const MAX_TIME_MS = 2 ** 48 - 1;

/** Whether the text is a ULID in lower case. */
export function isUlid(text: string): boolean {
  return /^[0-7][0-9a-hjkmnp-tv-z]{25}$/.test(text);
}

/** The time of a ULID, in milliseconds since 1970. */
export function timeOfUlid(ulid: string): number {
  return Array.from(ulid.slice(0, TIME_LENGTH))
    .reduce((time, digit) => time * 32 + DIGITS.indexOf(digit), 0);
}

/** The parts of a run id that was made of a name, `<name>-<ulid>`; undefined for any other one. */
export function partsOfRunId(runId: string): { name: string; ulid: string } | undefined {
  const dash = runId.lastIndexOf("-");
  const ulid = runId.slice(dash + 1);
  return dash !== -1 && isUlid(ulid) ? { name: runId.slice(0, dash), ulid } : undefined;
}

/** A new ULID of the time in milliseconds since 1970, in lower case so that it sorts and types well. */
export function createUlid(timeMs: number): string {
  return ulidAfter(undefined, timeMs);
}

/** The ULID that follows; a full random part carries into the time. */
export function incrementUlid(ulid: string): string {
  let end = ulid.length - 1;
  while (end > 0 && ulid[end] === "z") end--;
  const digit = DIGITS[DIGITS.indexOf(ulid[end]!) + 1];
  const next = ulid.slice(0, end) + digit + "0".repeat(ulid.length - 1 - end);
  if (isUlid(next)) return next;
  throw new RangeError(`Cannot make a ULID greater than ${ulid}`);
}

/** A ULID that is greater than `last`, also when the clock has gone back: of one time, the ones that follow it. */
export function ulidAfter(last: string | undefined, timeMs: number): string {
  if (!Number.isInteger(timeMs) || timeMs < 0 || timeMs > MAX_TIME_MS) {
    throw new RangeError(`Cannot make a ULID of the time ${timeMs}`);
  }
  let time = "";
  for (let rest = timeMs; time.length < TIME_LENGTH; rest = Math.floor(rest / 32)) {
    time = DIGITS[rest % 32] + time;
  }
  if (last !== undefined && last.slice(0, TIME_LENGTH) >= time) return incrementUlid(last);
  const random = crypto.getRandomValues(new Uint8Array(RANDOM_LENGTH));
  return time + Array.from(random, (byte) => DIGITS[byte % 32]).join("");
}
