import { isDirectory, resolve } from "../files.ts";
import { optionError, UsageError } from "../exit_codes.ts";
import { isPostgres } from "../reading/find_root.ts";
import { Screen } from "../text/screen.ts";
import { formatDuration, parseCountOption, parseDurationOption } from "../text/units.ts";
import { GUARD_WORD } from "../work/guard.ts";
import {
  numberOption,
  type Options,
  type OptionTable,
  readArguments,
  type Verb,
} from "../text/arguments.ts";

const DEFAULT_LEASE = "60s";
const SHORTEST_LEASE_MS = 2000;

const OPTIONS = {
  slots: { value: "N", text: "how many commands at a time (default: the processors)" },
  label: {
    value: "LABEL",
    isRepeated: true,
    text: 'what this machine is for: it also takes nodes with "on": [LABEL]; may be repeated',
  },
  lease: {
    value: "DURATION",
    text: "how long the database may be away before what runs is ended, and begun elsewhere " +
      `(default ${DEFAULT_LEASE})`,
  },
  cwd: { value: "DIR", text: "the folder that stands for that of any flow (default: .)" },
  "env-file": {
    value: "FILE",
    isRepeated: true,
    text: 'variables of which commands get those that their flow takes from its "env_file" or ' +
      'calls "secret", above those of the environment; may be repeated',
  },
  name: { value: "NAME", text: "what this worker is called (default: machine and process)" },
  "give-back": { text: "end what runs at the first signal, instead of waiting" },
  "until-idle": { value: "DURATION", text: "end when there was nothing to do for so long" },
} as const satisfies OptionTable;

/** `taffrail work`: makes attempts for runs in a database. Its guard is the same program, and loads little of it. */
export const workVerb: Verb = {
  summary: "run the commands of runs in a database, on this machine",
  help: {
    about: `Takes commands of runs that are recorded in a database, runs them here, and says
there what they print and how they end. Any number of workers on any machines
may do so; who began the run decides what is run, and records it. Needed here
are the programs, the folder of the flow, and the values of its "env_file" and
of what it calls "secret": those do not go through the database.

Every worker has a lease for what it runs. One that is killed, frozen, or cut
off from the database loses it: a guard process ends its commands then, and they
are run again elsewhere.`,
    options: OPTIONS,
    notes: `Ctrl-C or SIGTERM: takes nothing more, and waits for what runs; once more: ends
what runs, which is then run elsewhere; a third time: kills it.`,
    exitCodes: `0 it was asked to end, or was idle, and has ended in order, 1 it cannot go on, 2
called wrongly.`,
    json: `an object a line for what it does: { "at", "type", … }, type is one of working,
began, ended, lost, given-back, away, back, draining; without it the same goes
to stderr as text.`,
  },

  async run(args) {
    if (args.length === 1 && args[0] === GUARD_WORD) {
      await (await import("../work/guard_process.ts")).beGuard();
      return 0;
    }
    const { root, json, options, operands } = readArguments("work", args, OPTIONS);
    if (operands.length > 0) throw new UsageError("taffrail work takes no argument");
    if (!isPostgres(root)) {
      throw new UsageError(
        `Cannot work for ${root}: only a root in a database has something to do for others; ` +
          "name it by --root postgres://USER@HOST/DATABASE",
      );
    }
    return await work({ root, json, ...await settingsOf(options) });
  },
};

/** How it works. */
interface Settings {
  slots: number;
  labels: string[];
  leaseMs: number;
  cwd: string;
  variables: Record<string, string>;
  name: string | undefined;
  givesBack: boolean;
  idleMs: number | undefined;
}

async function settingsOf(options: Options<typeof OPTIONS>): Promise<Settings> {
  const { label: labels = [], lease = DEFAULT_LEASE, cwd = ".", name } = options;
  const slots = numberOption(options, "slots", parseCountOption) ?? navigator.hardwareConcurrency;
  if (slots === 0) throw optionError("slots", "0", "it must have one at least");
  for (const [option, text] of [...labels.map((one) => ["label", one]), ["name", name ?? "-"]]) {
    // deno-lint-ignore no-control-regex -- they are what is refused
    if (text === "" || /[\0-\x1f\x7f]/.test(text!)) {
      throw optionError(option!, text!, "it is empty, or has control characters in it");
    }
  }
  const leaseMs = parseDurationOption("lease", lease);
  if (leaseMs < SHORTEST_LEASE_MS) {
    const least = formatDuration(SHORTEST_LEASE_MS);
    throw optionError(
      "lease",
      lease,
      `it is too short to be renewed in time: ${least} is the least`,
    );
  }
  const folder = resolve(cwd);
  if (!isDirectory(folder)) throw optionError("cwd", cwd, "there is no such folder");
  return {
    ...{ slots, labels, leaseMs, cwd: folder, name },
    variables: await readVariables(options["env-file"] ?? []),
    givesBack: options["give-back"] ?? false,
    idleMs: numberOption(options, "until-idle", parseDurationOption),
  };
}

/** Those of the files that are named later stand above those of earlier ones. */
async function readVariables(paths: readonly string[]): Promise<Record<string, string>> {
  if (paths.length === 0) return {};
  const { readEnvFile } = await import("../flow/read_env_file.ts");
  const fail = (problem: string): never => {
    throw new UsageError(`taffrail work ${problem}`);
  };
  return Object.assign({}, ...paths.map((path) => readEnvFile(resolve(path), fail)));
}

async function work(
  { root, json, ...settings }: { root: string; json: boolean } & Settings,
): Promise<number> {
  const { openRoot } = await import("../reading/open_root.ts");
  const { Worker } = await import("../work/worker.ts");
  const { WorkLog } = await import("../work/work_log.ts");
  const { Interrupts } = await import("../process/interrupts.ts");
  const { hostName } = await import("../process/processes.ts");
  const { slots, labels, leaseMs, idleMs, cwd, variables, givesBack } = settings;
  const host = hostName();
  const name = settings.name ?? `${host ?? "worker"}-${Deno.pid}`;
  const log = new WorkLog(new Screen(json ? Deno.stdout : Deno.stderr), { isJson: json });
  using interrupts = new Interrupts();
  await using runs = await openRoot(root);
  const source = runs.jobs?.({ name, labels, leaseMs });
  if (source === undefined) throw new UsageError(`Cannot work for ${runs.name}: it has no jobs`);
  const place = { name, host, cwd, variables, commands: interrupts.commands };
  const worker = new Worker({ runs, source, place, slots, leaseMs, idleMs, log });
  // The first one asks for less here than elsewhere: what runs goes on.
  const steps = [
    { does: () => worker.drain(), text: "taking nothing more, and waiting for what runs" },
    { does: () => worker.giveUp(), text: "ending what runs, which is run elsewhere then" },
    { does: () => worker.cutShort(), text: "killing what runs" },
  ].slice(givesBack ? 1 : 0);
  interrupts.listen((signal) => {
    const { does, text } = steps.length > 1 ? steps.shift()! : steps[0]!;
    log.worker("draining", `${signal}: ${text}`, { signal, jobs: worker.size });
    does();
  });
  const on = labels.length === 0 ? "" : `, for ${labels.join(", ")}`;
  const text = `worker ${name} for ${runs.name}: ${slots} at a time${on}`;
  log.worker("working", text, { worker: name, root: runs.name, slots, labels, pid: Deno.pid });
  await worker.work();
  return 0;
}
