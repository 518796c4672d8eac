/** Every verb in every situation that is not as it should be: clear words, and the right exit code. */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { withTempDir } from "../_util/temp.ts";
import { ask } from "./_command.ts";

/** The verbs that look at one run, as they are called. */
const OF_ONE: Record<string, string[]> = {
  show: ["show", "RUN"],
  follow: ["follow", "RUN"],
  stop: ["stop", "RUN"],
  replay: ["replay", "RUN"],
  diff: ["diff", "RUN", "RUN"],
  resume: ["resume", "RUN"],
  trace: ["trace", "RUN"],
  "verify RUN": ["verify", "RUN"],
  "repair RUN": ["repair", "RUN"],
};

/** Those that look at all. */
const OF_ALL: Record<string, string[]> = {
  ls: ["ls"],
  prune: ["prune", "--keep", "0"],
  verify: ["verify"],
  repair: ["repair"],
};

/** Those that record. */
const RECORDING: Record<string, string[]> = {
  exec: ["exec", "--", "true"],
  run: ["run", "flow.json"],
};

interface Situation {
  name: string;
  /** Makes it; the run is called x. */
  make: (cwd: string) => Promise<void>;
  /** What is given besides. */
  args?: string[];
  /** The exit code of each verb, and what it says. */
  answers: Record<string, [number, RegExp]>;
}

async function makeRun(cwd: string, files: Record<string, string>): Promise<void> {
  const directory = `${cwd}/.taffrail/runs/x`;
  await Deno.mkdir(directory, { recursive: true });
  for (const [name, text] of Object.entries(files)) {
    await Deno.writeTextFile(`${directory}/${name}`, text);
  }
}

function each(verbs: Record<string, string[]>, answer: [number, RegExp]) {
  return Object.fromEntries(Object.keys(verbs).map((verb) => [verb, answer]));
}

const NEWER = /it has format 2, and this version knows formats up to 1; use a newer version/;
const NO_LOG = /it has no log .*events\.jsonl: if no program uses its folder, remove that/;
const NO_CAPTURE = /^Cannot read the decisions of run x: there is no .*capture\.jsonl; only what/;

const NO_TRACE = /^Cannot show a trace: there is no .*trace\.json; a run leaves one when something/;
const NOTHING_WRONG: [number, RegExp] = [0, /^✓ \d runs? in \.taffrail: nothing is wrong$/m];
const UNCHANGED: [number, RegExp] = [0, /^Nothing is wrong, so nothing was changed$/m];
const SOUND = { verify: NOTHING_WRONG, repair: UNCHANGED };
const SOUND_RUN = { "verify RUN": NOTHING_WRONG, "repair RUN": UNCHANGED };

/** The verbs that list what is wrong, and what they list. */
function inspecting(says: RegExp) {
  return {
    ...each({ verify: [], "verify RUN": [] }, [
      1,
      new RegExp(`${says.source}[^]*^✗ 1 run in `, "m"),
    ]),
    ...each({ repair: [], "repair RUN": [] }, [
      1,
      new RegExp(`${says.source}[^]*^0 repairs; `, "m"),
    ]),
  };
}

const SITUATIONS: Situation[] = [
  {
    name: "no root",
    make: () => Promise.resolve(),
    answers: {
      ...each(OF_ONE, [1, /^Cannot find run "x": \.taffrail has no runs$/m]),
      ls: [0, /^No runs in \.taffrail yet\. Record one: taffrail exec -- COMMAND, or$/m],
      prune: [0, /^removed 0 runs, 0B; 0B left in \.taffrail$/m],
      ...SOUND,
    },
  },
  {
    name: "an empty root",
    make: (cwd) => Deno.mkdir(`${cwd}/.taffrail/runs`, { recursive: true }),
    answers: {
      ...each(OF_ONE, [1, /^Cannot find run "x": \.taffrail has no runs$/m]),
      ls: [0, /^No runs in \.taffrail yet\./],
      prune: [0, /^removed 0 runs, /],
      ...SOUND,
    },
  },
  {
    name: "a root that is a file",
    make: (cwd) => Deno.writeTextFile(`${cwd}/file`, ""),
    args: ["--root", "file"],
    answers: each({ ...OF_ONE, ...OF_ALL, ...RECORDING }, [
      2,
      /^Cannot use --root file: it is a file; name a directory$/m,
    ]),
  },
  {
    name: "an unknown run",
    make: async (cwd) => {
      await makeRun(cwd, { "events.jsonl": "" });
      await Deno.rename(`${cwd}/.taffrail/runs/x`, `${cwd}/.taffrail/runs/ax`);
    },
    answers: each(OF_ONE, [1, /^Cannot find run "x" in \.taffrail: did you mean ax\?$/m]),
  },
  {
    name: "a run without a log",
    make: (cwd) => makeRun(cwd, {}),
    answers: {
      ...each(OF_ONE, [1, NO_LOG]),
      stop: [1, /^nobody works on run x, which cannot be read: it has no log /],
      ls: [0, NO_LOG],
      ...inspecting(NO_LOG),
      prune: [0, /^kept x {2}it cannot be read\nremoved 0 runs, /],
    },
  },
  {
    name: "a directory in place of the log",
    make: async (cwd) => {
      await makeRun(cwd, {});
      await Deno.mkdir(`${cwd}/.taffrail/runs/x/events.jsonl`);
    },
    answers: {
      ...each({ ...OF_ONE, ls: [] }, [1, /events\.jsonl is no file: move it away/]),
      ...inspecting(/events\.jsonl is no file: move it away/),
    },
  },
  {
    name: "a log of garbage",
    make: (cwd) => makeRun(cwd, { "events.jsonl": "garbage\n\0\0\n" }),
    answers: {
      show: [0, /^lines {3}2 unusable; line 1: not-json: .*\n {8}what they told is lost/m],
      follow: [0, /^line 1: not-json: [^]*\nline 2: nul-run: [^]*\n\[ORPHAN\?\] /],
      stop: [1, /^nobody works on run x, which cannot be read: its log has no event of a run/],
      replay: [1, NO_CAPTURE],
      diff: [1, NO_CAPTURE],
      resume: [1, /^Cannot resume x: it has no flow\.json: it died before it began, or another /],
      trace: [1, NO_TRACE],
      ...inspecting(/^✗ \S+events\.jsonl:1: not-json: [^]*^✗ \S+events\.jsonl:2: nul-run: /),
      ls: [0, /unreadable: its log has no event of a run that can be read$/m],
      prune: [0, /^kept x {2}it cannot be read$/m],
    },
  },
  {
    name: "a run of a newer format",
    make: (cwd) => makeRun(cwd, { "events.jsonl": "", "run.json": '{"format":2}' }),
    answers: {
      ...each(OF_ONE, [1, NEWER]),
      ...inspecting(NEWER),
      ls: [0, NEWER],
      prune: [0, /^kept x {2}it cannot be read$/m],
    },
  },
  {
    name: "a log of another program",
    make: (cwd) => makeRun(cwd, { "events.jsonl": '{"n":1}\n' }),
    answers: {
      show: [0, /^x {2}ended\nwhen [^]*\nA program wrote it, with events of its own\./],
      follow: [0, /^\{"n":1\}\nthe log has ended: nobody has it open any more\n$/],
      stop: [1, /^nobody has the log x of another program open$/m],
      replay: [1, NO_CAPTURE],
      diff: [1, NO_CAPTURE],
      resume: [1, /^Cannot resume x: it has no flow\.json: /],
      trace: [1, NO_TRACE],
      ...SOUND,
      ...SOUND_RUN,
      ls: [0, /^x {10}ended /m],
      prune: [0, /^kept x {2}it is a log of another program, which may have it open$/m],
    },
  },
];

const ALL = { ...OF_ONE, ...OF_ALL, ...RECORDING };

for (const { name, make, args = [], answers } of SITUATIONS) {
  Deno.test(`every verb has clear words for ${name}`, async () => {
    await withTempDir(async (cwd) => {
      await make(cwd);
      const flow = { name: "flow", nodes: { a: { run: ["true"] } } };
      await Deno.writeTextFile(`${cwd}/flow.json`, JSON.stringify(flow));
      for (const [verb, [expected, says]] of Object.entries(answers)) {
        const [first, ...rest] = ALL[verb as keyof typeof ALL]!.map((arg) =>
          arg === "RUN" ? "x" : arg
        );
        const { code, stdout, stderr } = await ask([first!, ...args, ...rest], cwd);
        const isListing = verb === "ls" && name.startsWith("a directory");
        assertEquals(code, isListing ? 0 : expected, `${verb}: ${stdout}${stderr}`);
        assertMatch(stdout + stderr, says, verb);
        assert(!/\bat .*\.ts:\d+|Error:/.test(stderr), `${verb} prints a stack: ${stderr}`);
      }
    });
  });
}
