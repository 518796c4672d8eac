import { basename } from "../../_internal/path.ts";
import { DEFAULT_ROOT, gitignorePath } from "../../_internal/root_layout.ts";
import { reasonOf } from "../../_internal/text.ts";
import { VERSION } from "../../_internal/version.ts";
import { UsageError } from "../exit_codes.ts";
import { nameFrom } from "../flow/flow.ts";
import { chosenRoot, findRoot, isPostgres, prepareRootDirectory } from "../reading/find_root.ts";
import { commandLine } from "../text/printable.ts";
import { Screen } from "../text/screen.ts";
import { type OptionTable, readArguments, type Verb } from "../text/arguments.ts";

const FLOW_FILE = "taffrail.flow.json";

/** Options for a database alone: who gets which rights there. */
const OPTIONS = {
  reader: {
    value: "ROLE",
    isRepeated: true,
    text: "in a database: let a role read runs; may be repeated",
  },
  runner: {
    value: "ROLE",
    isRepeated: true,
    text: "in a database: let a role also record, go on with, and remove runs; may be repeated",
  },
  worker: {
    value: "ROLE",
    isRepeated: true,
    text: "in a database: let a role work for runs, and nothing else; may be repeated",
  },
} as const satisfies OptionTable;

/** `taffrail init`: begins to use it in a directory, or with a database. */
export const initVerb: Verb = {
  summary: "make a directory for runs, and an example flow",
  help: {
    about: `Makes ${DEFAULT_ROOT} in the current directory, with a .gitignore that keeps runs
out of a repository, and ${FLOW_FILE}, an example that runs as it is. An
existing ${FLOW_FILE} is never replaced. Where runs were kept in a
directory above so far, it says so.

With --root postgres://… it makes the schema taffrail in that database instead,
and nothing else; it is harmless where that was done. Who owns the database, or
may create a schema in it, has to do it; all others need rights.`,
    options: OPTIONS,
    exitCodes: `0 it is done, 1 something cannot be written, 2 there is such a flow already, or
called wrongly.`,
    json: `{ "root", "flow", "above" }: their paths, and that of the root above that was
used so far, or null; of a database { "root", "flow": null, "above": null,
"schema": { "version", "was_there" }, "readers": [role], "runners": [role],
"workers": [role] }.`,
  },

  async run(args) {
    const { json, options, operands } = readArguments("init", args, OPTIONS);
    if (operands.length > 0) throw new UsageError("taffrail init takes no argument");
    const chosen = chosenRoot(options.root);
    const root = chosen ?? DEFAULT_ROOT;
    const { reader: readers = [], runner: runners = [], worker: workers = [] } = options;
    const roles = { readers, runners, workers };
    if (isPostgres(root)) return await prepareDatabase(root, roles, { json });
    if (Object.values(roles).flat().length > 0) {
      throw new UsageError("Cannot use --reader, --runner or --worker: only a database has roles");
    }
    const above = chosen === undefined ? rootAbove() : null;
    writeExample(FLOW_FILE);
    prepareRootDirectory(root);
    const screen = new Screen(Deno.stdout);
    if (json) screen.line(JSON.stringify({ root, flow: FLOW_FILE, above }));
    else for (const line of [...nextSteps(root), ...textOfAbove(above)]) screen.line(line);
    return 0;
  },
};

/** Makes what runs need in a database. */
async function prepareDatabase(
  url: string,
  roles: Record<"readers" | "runners" | "workers", readonly string[]>,
  { json }: { json: boolean },
): Promise<number> {
  const { makeSchema } = await import("../postgres/open_database.ts");
  const { root, version, wasThere } = await makeSchema(url, roles);
  const screen = new Screen(Deno.stdout);
  if (json) {
    const schema = { version, was_there: wasThere };
    screen.line(JSON.stringify({ root, flow: null, above: null, schema, ...roles }));
    return 0;
  }
  const what = `the schema taffrail, version ${version}, in ${root}`;
  screen.line(wasThere ? `found ${what}` : `made ${what}`);
  for (const role of roles.readers) screen.line(`${role} may read runs there`);
  for (const role of roles.runners) screen.line(`${role} may record runs there`);
  for (const role of roles.workers) screen.line(`${role} may work for runs there`);
  const next = commandLine(["taffrail", "exec", "--root", root, "--"]);
  for (const line of ["", "Next:", `  ${next} COMMAND`]) screen.line(line);
  return 0;
}

/** The root that was used here so far, if it is that of a directory above. */
function rootAbove(): string | null {
  const nearest = findRoot(Deno.cwd());
  return nearest === DEFAULT_ROOT ? null : nearest;
}

function textOfAbove(above: string | null): string[] {
  if (above === null) return [];
  return [
    "",
    `Runs of this directory were kept in ${above} so far, and are now in ${DEFAULT_ROOT}.`,
    `To keep them all there instead, remove ${DEFAULT_ROOT}; to use it now and then:`,
    `  ${commandLine(["taffrail", "ls", "--root", above])}`,
  ];
}

/** Where editors find the schema that was published with a version. */
function flowSchemaUrl(version: string): string {
  return `https://jsr.io/@taffrail/taffrail/${version}/docs/flow.schema.json`;
}

/** Three nodes that say what can be said of one, and need nothing but Deno itself. */
function exampleFlow(name: string): string {
  const flow = {
    $schema: flowSchemaUrl(VERSION),
    name,
    nodes: {
      prepare: { run: ["deno", "eval", "console.log('prepared')"] },
      check: {
        run: ["deno", "eval", "console.log('checked')"],
        needs: ["prepare"],
        timeout: "1m",
      },
      build: { run: ["deno", "eval", "console.log('built')"], needs: ["prepare"] },
      report: {
        run: ["deno", "eval", "console.log('done by', Deno.env.get('WHO'))"],
        needs: ["check", "build"],
        env: { WHO: "taffrail" },
      },
    },
    constraints: { max_in_flight: 2, max_retries: 1, deadline: "10m" },
  };
  return `${JSON.stringify(flow, null, 2)}\n`;
}

function writeExample(path: string): void {
  try {
    const name = nameFrom(basename(Deno.cwd()));
    Deno.writeTextFileSync(path, exampleFlow(name), { createNew: true });
  } catch (cause) {
    if (cause instanceof Deno.errors.AlreadyExists) {
      const remedy = `run it with taffrail run ${path}, or move it away`;
      throw new UsageError(`Cannot make ${path}: it exists; ${remedy}`, { cause });
    }
    const reason = reasonOf(cause);
    throw new Error(`Cannot make ${path}: ${reason}`, { cause });
  }
}

function nextSteps(root: string): string[] {
  return [
    `made ${gitignorePath(root)} and ${FLOW_FILE}`,
    "",
    "Next:",
    `  taffrail run ${FLOW_FILE}    runs the example, and records it`,
    "  taffrail ls                        lists what was recorded",
    "  taffrail exec -- COMMAND           runs and records one command",
    "  taffrail run --tasks NAME,NAME     runs tasks of deno.json",
  ];
}
