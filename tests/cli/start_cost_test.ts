import { assert, assertEquals } from "@std/assert";
import {
  filesLoadedBy,
  openProject,
  resolveImport,
  valueImportsOf,
} from "../../_tools/_project.ts";

/**
 * How many files of the project each verb may load before it does anything: each costs 80 µs at every start.
 * What is loaded beside the work, or only when it is needed, does not count.
 */
const MOST_FILES: Record<string, number> = {
  init: 20,
  ls: 50,
  follow: 51,
  stop: 50,
  prune: 50,
  show: 57,
  report: 57,
  diff: 65,
  trace: 85,
  work: 25,
  completions: 20,
  pass: 80,
  copy: 90,
  export: 50,
  import: 50,
  logs: 90,
  what_if: 95,
  shrink: 105,
  replay: 96,
  verify: 131,
  repair: 146,
  drill: 35,
  exec: 145,
  run: 150,
  resume: 160,
};

const project = await openProject(`${import.meta.dirname}/../..`);

/** Loaded when the root is a database, or when spans are to be sent, and never otherwise. */
const FOR_A_DATABASE = "cli/postgres/postgres_driver.ts";
const FOR_SPANS = ["cli/telemetry/otlp_driver.ts", "cli/telemetry/node_require.ts"];

const AT_START = { atStart: true };

/** What the command loads before it knows the verb. */
const shared = new Set([
  "cli/main.ts",
  ...valueImportsOf(project, "cli/main.ts")
    .filter(({ isLazy }) => !isLazy)
    .flatMap(({ specifier }) => {
      return [
        ...filesLoadedBy(project, resolveImport(project, "cli/main.ts", specifier)!, AT_START),
      ];
    }),
]);

function filesOf(verb: string, options: { atStart?: boolean } = {}): string[] {
  return [...shared.union(filesLoadedBy(project, `cli/verbs/${verb}.ts`, options))];
}

for (const [verb, most] of Object.entries(MOST_FILES)) {
  Deno.test(`taffrail ${verb} loads at most ${most} files, and no module of Node or npm`, () => {
    const files = filesOf(verb, AT_START);
    assert(files.length <= most, `it loads ${files.length}:\n${files.toSorted().join("\n")}`);
    const foreign = filesOf(verb)
      .filter((path) => ![FOR_A_DATABASE, ...FOR_SPANS].includes(path))
      .flatMap((path) => valueImportsOf(project, path))
      .map(({ specifier }) => specifier).filter((specifier) => /^(node|npm):/.test(specifier));
    assertEquals(foreign, []);
  });
}

Deno.test("the runs that a shell asks for while somebody types load no more files than ls does", () => {
  const loaded = ["words", "../reading/run_summary", "../reading/run_outcome"].map((name) => {
    const path = resolveImport(project, "cli/completions/words.ts", `./${name}.ts`)!;
    return filesLoadedBy(project, path, AT_START);
  });
  const files = loaded.reduce(
    (all, some) => all.union(some),
    new Set(filesOf("completions", AT_START)),
  );
  assert(files.size <= MOST_FILES.ls!, `it loads ${files.size}`);
});

Deno.test("every verb has a limit of files", () => {
  const verbs = valueImportsOf(project, "cli/main.ts")
    .flatMap(({ specifier }) => /^\.\/verbs\/(\w+)\.ts$/.exec(specifier)?.[1] ?? [])
    .filter((name) => name !== "changed_arguments");
  assertEquals(verbs.toSorted(), Object.keys(MOST_FILES).toSorted());
});

Deno.test("what makes spans is loaded only where somebody makes or wants them", () => {
  const isOfSpans = (path: string) => /^(?:cli\/telemetry|run\/spans)\//.test(path);
  for (const verb of ["exec", "run", "resume"]) {
    // It tells whether anybody does.
    assertEquals(filesOf(verb, AT_START).filter(isOfSpans), ["cli/telemetry/otel_variables.ts"]);
  }
  for (const entry of ["run/mod.ts", "run/program/open_program.ts"]) {
    assertEquals([...filesLoadedBy(project, entry, AT_START)].filter(isOfSpans), []);
  }
});
