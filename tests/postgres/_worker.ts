/** Workers as real processes, and a run whose attempts they make, offered by the tests themselves. */
import { startTaffrail } from "../cli/_command.ts";
import type { RunningProcess } from "../_util/process.ts";
import { withTempDir } from "../_util/temp.ts";
import {
  decodeAnswer,
  encodePayload,
  type JobAnswer,
  type JobPayload,
} from "../../cli/work/job.ts";
import { migratePostgres, openPostgresRoot } from "../../postgres/mod.ts";
import type { HeldRun, RunsRoot } from "../../run/mod.ts";
import { clientOf } from "./_client.ts";
import { type PostgresServer, withSharedServer } from "./_server.ts";

/** An attempt that is offered. */
export interface Offered {
  nodeId?: string;
  attempt?: number;
  labels?: string[];
  signal?: AbortSignal;
  payload?: Partial<Omit<JobPayload, "v">>;
}

/** What came of it. */
export type OfferEnd =
  | { kind: "lost"; worker?: string }
  | { kind: "unbegun" }
  | (
    & { kind: "ended"; jobNo: string }
    & JobAnswer
  );

/** A database with a run, and a folder for workers. */
export interface WorkUse {
  cwd: string;
  url: string;
  server: PostgresServer;
  root: RunsRoot;
  held: HeldRun;
  /** Offers a shell script, or what the payload says. */
  offer(script: string, more?: Offered): Promise<OfferEnd>;
  /** What an attempt has printed. */
  printed(nodeId: string, how?: { attempt?: number; stream?: "out" | "err" }): Promise<string>;
  /** Starts a worker; it is at work when this resolves. */
  worker(
    args?: string[],
    how?: { url?: string; env?: Record<string, string>; shell?: string },
  ): Promise<RunningProcess>;
}

const NO_PASSWORD = { PGPASSWORD: "", PGPASSFILE: "/dev/null" };

const PAYLOAD: Omit<JobPayload, "v"> = {
  run: [],
  cwd: ".",
  env: {},
  from_env: [],
  secret: [],
  grace_ms: 10_000,
  max_output_bytes: 1024 ** 2,
  needs_output: false,
  outputs: [],
  unset: [],
  not_on: [],
};

const NEVER = new AbortController().signal;

/** Runs `use` with a run on a server of its own or the one that tests share. */
export async function withWork(
  use: (use: WorkUse) => Promise<void>,
  { server: own }: { server?: PostgresServer } = {},
): Promise<void> {
  const withServer = own === undefined
    ? withSharedServer<void>
    : (use: (server: PostgresServer) => Promise<void>) => use(own);
  await withServer((server) =>
    server.withDatabase(({ url }) => withTempDir((cwd) => useWork({ cwd, url, server }, use)))
  );
}

async function useWork(
  place: { cwd: string; url: string; server: PostgresServer },
  use: (use: WorkUse) => Promise<void>,
): Promise<void> {
  await migratePostgres(clientOf(place.url));
  await using stack = new AsyncDisposableStack();
  const root = stack.use(await openPostgresRoot(clientOf(place.url)));
  const held = stack.use(await root.create({ about: { name: "demo" } }));
  const queue = root.queue!(held);
  await use({
    ...place,
    root,
    held,
    async offer(script, { nodeId = "a", attempt = 1, labels = [], signal = NEVER, payload } = {}) {
      const run = ["sh", "-c", script];
      const text = encodePayload({ ...PAYLOAD, run, ...payload });
      const end = await queue.offer({ nodeId, attempt, labels, payload: text }, signal);
      return end.kind === "ended" ? { ...end, ...decodeAnswer(end.answer) } : end;
    },
    async printed(nodeId, { attempt = 1, stream = "out" } = {}) {
      const bytes = await held.view.output({ nodeId, attempt, stream });
      return new TextDecoder().decode(bytes);
    },
    async worker(args = [], { url = place.url, env = {}, shell } = {}) {
      const words = ["work", "--root", url, ...args];
      const options = {
        cwd: place.cwd,
        env: { ...NO_PASSWORD, ...env },
        ...(shell !== undefined && { shell }),
      };
      const running = stack.use(startTaffrail(words, options));
      await running.stderr.find(/^worker /);
      return running;
    },
  });
}

/** Resolves when there is a file, and gives what is in it. */
export async function untilFile(path: string): Promise<string> {
  for (;;) {
    const text = await Deno.readTextFile(path).catch(() => undefined);
    if (text !== undefined) return text;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
