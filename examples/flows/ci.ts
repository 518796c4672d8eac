/**
 * A workflow for three systems as a program: a matrix, conditions and parameters are what the language has
 * for them. Harmless commands stand for the real ones.
 *
 * Run: taffrail run examples/flows/ci.ts -- [--release] [--only=linux]
 */
const SYSTEMS = ["linux", "macos", "windows"] as const;
const VERSIONS = ["2.7", "2.9"] as const;

/** The flow: `taffrail` calls this with the arguments behind `--`, and checks what it gives like a file. */
export default function ci(args: string[]) {
  const isRelease = args.includes("--release");
  const only = args.find((arg) => arg.startsWith("--only="))?.slice("--only=".length);
  const systems = SYSTEMS.filter((system) => only === undefined || system === only);
  const nodes: Record<string, unknown> = {
    lint: { run: ["echo", "no problems"] },
  };
  const tests: string[] = [];
  for (const system of systems) {
    nodes[`build/${system}`] = { run: ["echo", "built for", system], needs: ["lint"] };
    for (const version of VERSIONS) {
      // What is not supported there is no node, and no condition inside of one.
      if (system === "windows" && version === "2.7") continue;
      const id = `test/${system}@${version}`;
      nodes[id] = {
        run: ["echo", "tested on", system, "with", version],
        needs: [`build/${system}`],
        timeout: "10m",
        // The oldest version may fail: it is told, and keeps nobody from releasing.
        allow_failure: version === VERSIONS[0],
      };
      tests.push(id);
    }
  }
  nodes.tested = { needs: tests };
  if (isRelease) {
    nodes.publish = { run: ["echo", "published"], needs: ["tested"] };
    nodes.announce = { run: ["echo", "announced"], needs: ["publish"] };
  }
  nodes.summary = { run: ["echo", "done"], needs: ["tested"], when: "always" };
  return { name: "ci-matrix", on_failure: "cancel", nodes };
}
