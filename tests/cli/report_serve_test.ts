import {
  assert,
  assertEquals,
  assertMatch,
  assertNotEquals,
  assertStringIncludes,
} from "@std/assert";
import net from "node:net";
import { openFileRoot } from "../../run/mod.ts";
import { ask, HAS_SIGNALS, MAIN, start, startTaffrail, taffrail } from "./_command.ts";
import { countIn, EventReader, GatedFlow, withServedPages } from "./_served.ts";
import { onlyRun, untilExists } from "./_runs.ts";
import { withTempDir } from "../_util/temp.ts";

/** Records a run, and runs `use` with its address. */
async function withServedRun(
  use: (page: { url: URL; runId: string; cwd: string }) => Promise<void>,
): Promise<void> {
  await withTempDir(async (cwd) => {
    await taffrail(["exec", "--", "true"], { cwd });
    const runId = await onlyRun(`${cwd}/.taffrail`);
    await withServedPages({ cwd, args: [runId] }, (url) => use({ url: new URL(url), runId, cwd }));
  });
}

/** Sends a request with any host, and gives the status line and all else that comes. */
async function request(url: URL, { host, method = "GET" }: { host?: string; method?: string }) {
  const socket = net.connect(Number(url.port), "127.0.0.1");
  const lines = [`${method} ${url.pathname} HTTP/1.1`, "Connection: close"];
  if (host !== undefined) lines.push(`Host: ${host}`);
  socket.write(`${lines.join("\r\n")}\r\n\r\n`);
  const chunks: Uint8Array[] = [];
  for await (const chunk of socket) chunks.push(chunk);
  return new TextDecoder().decode(await new Blob(chunks as BlobPart[]).arrayBuffer());
}

Deno.test("taffrail report --serve shows a run at an address with a secret of 192 bits", async () => {
  await withServedRun(async ({ url, runId, cwd }) => {
    assertMatch(url.href, /^http:\/\/127\.0\.0\.1:\d+\/[\w-]{32}\/run\//);
    const response = await fetch(url);
    assertEquals(response.status, 200);
    assertStringIncludes(await response.text(), runId);
    const list = await fetch(new URL(`../../${url.pathname.split("/")[1]}`, url));
    assertEquals([list.status, list.url], [200, new URL("../", url).href]);
    assertStringIncludes(await list.text(), runId);
    await withServedPages({ cwd }, (other) => {
      assertNotEquals(new URL(other).pathname.split("/")[1], url.pathname.split("/")[1]);
      assertMatch(other, /^http:\/\/127\.0\.0\.1:\d+\/[\w-]{32}\/$/);
      return Promise.resolve();
    });
  });
});

Deno.test("taffrail report --serve finds nothing for who does not know the secret", async () => {
  await withServedRun(async ({ url, runId }) => {
    const token = url.pathname.split("/")[1]!;
    const shorter = token.slice(1);
    const other = (token[0] === "A" ? "B" : "A") + shorter;
    const paths = [
      ...["/", "/favicon.ico", `/run/${runId}`, `/${shorter}/`, `/${token}A/`, `/${other}/`],
      ...[`/${other}/run/${runId}`, `/${other}/events`, "/open/", `/open/${token}`],
    ];
    for (const path of paths) {
      for (const method of ["GET", "HEAD", "POST"]) {
        const response = await fetch(new URL(path, url), { method });
        const text = await response.text();
        assertEquals([path, response.status], [path, 404]);
        assert(!text.includes(runId) && !text.includes(token), text);
      }
    }
  });
});

Deno.test("taffrail report --serve finds nothing but pages and their events", async () => {
  await withServedRun(async ({ url }) => {
    const base = new URL("../", url);
    const paths = [
      ...["run", "run/", "run/..%2f..%2fevents", "run/%00", "run/%ff"],
      ...[
        "run/a%2fb",
        "run/no-such-run",
        "events/more",
        "page",
        ".taffrail",
        "run/a/b",
        "run//events",
      ],
    ];
    for (const path of paths) {
      const response = await fetch(base.href + path);
      await response.text();
      assertEquals([path, response.status], [path, 404]);
    }
  });
});

Deno.test("taffrail report --serve answers only who means this machine", async () => {
  await withServedRun(async ({ url, runId }) => {
    const statusOf = async (host?: string) => {
      const answer = await request(url, host === undefined ? {} : { host });
      return [answer.split("\r\n")[0], answer.includes(runId)];
    };
    for (const host of ["evil.example", `evil.example:${url.port}`, "127.0.0.1.evil.example", ""]) {
      assertEquals([host, ...await statusOf(host)], [host, "HTTP/1.1 404 Not Found", false]);
    }
    const without = await request(url, {});
    assert(!without.includes(runId) && !without.startsWith("HTTP/1.1 200"), without);
    for (const host of [url.host, `localhost:${url.port}`, "LOCALHOST:80", "127.0.0.1"]) {
      assertEquals([host, ...await statusOf(host)], [host, "HTTP/1.1 200 OK", true]);
    }
  });
});

Deno.test("taffrail report --serve listens on loopback alone", async () => {
  await withServedRun(async ({ url }) => {
    const addresses = Deno.networkInterfaces()
      .filter(({ family, address }) => family === "IPv4" && !address.startsWith("127."));
    for (const { address } of addresses) {
      const socket = net.connect({ host: address, port: Number(url.port) });
      const refused = await new Promise<unknown>((resolve) => {
        socket.on("error", resolve).on("connect", () => resolve(undefined));
      });
      socket.destroy();
      assertEquals(Reflect.get(refused ?? {}, "code"), "ECONNREFUSED", address);
    }
  });
});

Deno.test("taffrail report --serve only takes GET and HEAD", async () => {
  await withServedRun(async ({ url }) => {
    for (const method of ["POST", "PUT", "DELETE", "OPTIONS", "PATCH"]) {
      for (const address of [url, new URL(`${url}/events`), new URL("../", url)]) {
        const response = await fetch(address, { method });
        await response.text();
        assertEquals([method, response.status], [method, 405]);
        assertEquals(response.headers.get("allow"), "GET, HEAD");
      }
    }
    for (const address of [url, new URL(`${url}/events`), new URL("../", url)]) {
      const response = await fetch(address, { method: "HEAD" });
      assertEquals([response.status, await response.text()], [200, ""]);
    }
    const missing = await fetch(new URL("../run/no-such-run", url), { method: "HEAD" });
    assertEquals([missing.status, await missing.text()], [404, ""]);
  });
});

Deno.test("taffrail report --serve says what a page may do, and that nobody keeps it", async () => {
  await withServedRun(async ({ url }) => {
    for (const address of [url, new URL("../", url), new URL("../run/no-such-run", url)]) {
      const { headers, body } = await fetch(address);
      await body?.cancel();
      const policy = headers.get("content-security-policy") ?? "";
      assertMatch(policy, /^default-src 'none'; script-src 'sha256-\S+'; style-src 'sha256-\S+'; /);
      assertMatch(policy, /; base-uri 'none'; form-action 'none'; frame-ancestors 'none'$/);
      assertEquals(
        policy.includes("connect-src 'self'"),
        !address.pathname.endsWith("no-such-run"),
      );
      assertEquals(policy.includes("unsafe"), false);
      const expected = {
        "cache-control": "no-store, no-transform",
        "content-type": "text/html; charset=utf-8",
        "referrer-policy": "no-referrer",
        "x-content-type-options": "nosniff",
        "x-frame-options": "DENY",
        "cross-origin-resource-policy": "same-origin",
        "access-control-allow-origin": null,
      };
      for (const [name, value] of Object.entries(expected)) {
        assertEquals([name, headers.get(name)], [name, value]);
      }
    }
    const events = await fetch(`${url}/events`);
    assertEquals(events.headers.get("content-type"), "text/event-stream");
    assertEquals(events.headers.get("cache-control"), "no-store, no-transform");
    await events.body?.cancel();
  });
});

Deno.test("taffrail report --serve tells what changes while a run goes on, and nothing else", async () => {
  await withTempDir(async (cwd) => {
    const flow = await GatedFlow.write(cwd, ["a", "b", "c"]);
    const { running, runId } = await flow.start();
    await using _ = running;
    await withServedPages({ cwd, args: [runId] }, async (url) => {
      await using events = await EventReader.open(`${url}/events`);
      await events.until((page) => countIn("running", page) === 3);
      await flow.open("b", "said by b");
      const changed = await events.until((page) => countIn("completed", page) === 1);
      assertEquals(changed.items.map(([place, { id }]) => [place, id]), [[1, "b"]]);
      assertStringIncludes(JSON.stringify(changed.items), "said by b");
      await flow.open("a");
      await flow.open("c");
      await events.until(({ members }) => members["run"].outcome === "completed");
      await running.end();
    });
  });
});

Deno.test("taffrail report --serve goes on from where somebody was, who was away", async () => {
  await withTempDir(async (cwd) => {
    const flow = await GatedFlow.write(cwd, ["a", "b", "c"]);
    const { running, runId } = await flow.start();
    await using _ = running;
    await withServedPages({ cwd, args: [runId] }, async (url) => {
      await using always = await EventReader.open(`${url}/events`);
      await always.until((page) => countIn("running", page) === 3);
      const { position } = always;
      await flow.open("c");
      await always.until((page) => countIn("completed", page) === 1);
      const ways: [address: string, headers: Record<string, string>][] = [
        [`${url}/events`, { "last-event-id": position }],
        [`${url}/events?after=${position}`, {}],
        [`${url}/events?after=x.1`, { "last-event-id": position }],
      ];
      for (const [address, headers] of ways) {
        await using again = await EventReader.open(address, headers);
        const changed = await again.until(() => true);
        assertEquals(changed.items.map(([place]) => place), [2]);
      }
      // What another server said, or nobody, is no place to go on from.
      for (const strange of ["0123456789ab.1", "x", "", `${position.split(".")[0]}.x`]) {
        await using again = await EventReader.open(`${url}/events?after=${strange}`);
        assertEquals((await again.until(() => true)).items.length, 3, strange);
      }
      for (const node of ["a", "b"]) await flow.open(node);
      await running.end();
    });
  });
});

Deno.test("taffrail report --serve tells when a run is killed, stopped, and removed", async () => {
  await withTempDir(async (cwd) => {
    const flow = await GatedFlow.write(cwd, ["a"]);
    const { running, runId } = await flow.start();
    await using _ = running;
    await withServedPages({ cwd, args: [runId] }, async (url) => {
      await using events = await EventReader.open(`${url}/events`);
      await events.until((page) => countIn("running", page) === 1);
      running.kill("SIGKILL");
      await running.end();
      await events.until(({ members }) => members["run"].outcome === "orphan");
      await taffrail(["stop", runId], { cwd });
      await events.until(({ members }) => members["run"].outcome === "cancelled");
      await openFileRoot(`${cwd}/.taffrail`).remove(runId);
      await events.event("gone");
      await events.end();
      const response = await fetch(url);
      assertEquals(response.status, 404);
      assertStringIncludes(await response.text(), "There is no such run");
    });
  });
});

Deno.test("taffrail report --serve says why a run cannot be read, and shows the others", async () => {
  await withServedRun(async ({ url, cwd }) => {
    await Deno.mkdir(`${cwd}/.taffrail/runs/broken/events.jsonl`, { recursive: true });
    const response = await fetch(new URL("broken", url));
    assertEquals(response.status, 500);
    const text = await response.text();
    assertStringIncludes(text, "broken/events.jsonl");
    assertStringIncludes(text, `<a href="${new URL("../", url).pathname}">all runs</a>`);
    await using events = await EventReader.open(new URL("../events", url).href);
    await events.until(({ items }) => {
      return items.length === 2 && items.some(({ outcome }) => outcome === "unreadable");
    });
  });
});

Deno.test("taffrail report --serve tells of all runs, of new ones, and of those that go on", async () => {
  await withTempDir(async (cwd) => {
    await withServedPages({ cwd, args: ["--root", ".taffrail"] }, async (url) => {
      await using events = await EventReader.open(`${url}events`);
      await events.until(({ members }) => members["total"] === 0);
      await taffrail(["exec", "--", "true"], { cwd });
      const flow = await GatedFlow.write(cwd, ["a", "b"]);
      const { running, runId } = await flow.start();
      await using _ = running;
      const begun = await events.until(({ items }) => {
        return items.length === 2 && items[1].outcome === "running";
      });
      assertEquals(begun.items.at(-1)![1].address, `run/${runId}`);
      await flow.open("b");
      await events.until(({ items }) => items[1].nodes?.completed === 1);
      await flow.open("a");
      await events.until(({ items }) => items[1].outcome === "completed");
      await running.end();
    });
  });
});

Deno.test({
  name: "taffrail report --serve ends by a signal at once, also when somebody looks on",
  ignore: !HAS_SIGNALS,
  fn: async () => {
    await withTempDir(async (cwd) => {
      await taffrail(["exec", "--", "true"], { cwd });
      for (const [signal, code] of [["SIGINT", 130], ["SIGTERM", 143]] as const) {
        await withServedPages({ cwd }, async (url, server) => {
          await using events = await EventReader.open(`${url}events`);
          await events.event("message");
          server.kill(signal);
          const ended = await server.end();
          assertEquals([ended.signal, ended.code], [signal, code]);
        });
      }
    });
  },
});

Deno.test("taffrail report --serve prints its address as JSON, and takes a port", async () => {
  await withTempDir(async (cwd) => {
    await taffrail(["exec", "--", "true"], { cwd });
    const runId = await onlyRun(`${cwd}/.taffrail`);
    await using server = startTaffrail(["report", "--serve", "--json", runId], { cwd });
    const line = JSON.parse(await server.stdout.find(/./));
    assertEquals([line.run_id, line.root], [runId, `${cwd}/.taffrail`]);
    await (await fetch(line.url)).body?.cancel();
    const { port } = new URL(line.url);
    const taken = await taffrail(["report", "--serve", "--port", port], { cwd });
    assertEquals(taken.code, 1);
    assertMatch(
      taken.stderr,
      new RegExp(`^Cannot serve pages on 127\\.0\\.0\\.1:${port}: .*; leave --port out`),
    );
    server.kill("SIGKILL");
    await server.end();
    await withServedPages({ cwd, args: ["--port", port] }, (url) => {
      assertEquals(new URL(url).port, port);
      return Promise.resolve();
    });
  });
});

Deno.test({
  name: "taffrail report --serve --open gives the browser an address that works once",
  ignore: !HAS_SIGNALS,
  fn: async () => {
    await withTempDir(async (cwd) => {
      await taffrail(["exec", "--", "true"], { cwd });
      const runId = await onlyRun(`${cwd}/.taffrail`);
      const opener = Deno.build.os === "darwin" ? "open" : "xdg-open";
      await Deno.mkdir(`${cwd}/bin`);
      const script = `#!/bin/sh\necho "$1" >${cwd}/opening\nmv ${cwd}/opening ${cwd}/opened\n`;
      await Deno.writeTextFile(`${cwd}/bin/${opener}`, script, { mode: 0o755 });
      const env = { PATH: `${cwd}/bin:${Deno.env.get("PATH")}` };
      await using server = startTaffrail(["report", "--serve", "--open", runId], { cwd, env });
      const url = await server.stdout.find(/^http:/);
      await untilExists(cwd, "opened");
      const opened = (await Deno.readTextFile(`${cwd}/opened`)).trim();
      assert(opened.startsWith(new URL("/", url).href));
      assert(!opened.includes(new URL(url).pathname.split("/")[1]!), opened);
      const first = await fetch(opened);
      assertEquals([first.status, first.url], [200, url]);
      await first.body?.cancel();
      const second = await fetch(opened);
      assertEquals(second.status, 404);
      await second.body?.cancel();
    });
  },
});

Deno.test({
  name: "taffrail report --serve goes on where nothing can show the page, and says so",
  ignore: !HAS_SIGNALS,
  fn: async () => {
    await withTempDir(async (cwd) => {
      await taffrail(["exec", "--", "true"], { cwd });
      await Deno.mkdir(`${cwd}/bin`);
      const env = { PATH: `${cwd}/bin` };
      await using server = startTaffrail(["report", "--serve", "--open"], { cwd, env });
      const url = await server.stdout.find(/^http:/);
      assertStringIncludes(
        await server.stderr.find(/^Cannot open/),
        `Cannot open ${url} in a browser: `,
      );
      const response = await fetch(url);
      assertEquals(response.status, 200);
      await response.body?.cancel();
    });
  },
});

Deno.test("taffrail report --serve says which permission it needs", async () => {
  await withTempDir(async (cwd) => {
    await taffrail(["exec", "--", "true"], { cwd });
    const permissions = ["--allow-read", "--allow-env", "--no-prompt"];
    await using served = start(Deno.execPath(), [
      ...["run", ...permissions, "--allow-net=127.0.0.1", MAIN, "report", "--serve"],
    ], { cwd });
    const response = await fetch(await served.stdout.find(/^http:/));
    assertEquals(response.status, 200);
    await response.body?.cancel();
    const args = ["run", ...permissions, MAIN, "report", "--serve"];
    await using refused = start(Deno.execPath(), args, { cwd });
    const { code, stderr } = await refused.end();
    assertEquals(code, 1);
    assertStringIncludes(stderr, "run deno with --allow-net=127.0.0.1");
  });
});

Deno.test("taffrail report --serve refuses what it has no use for", async () => {
  await withTempDir(async (cwd) => {
    const calls: Record<string, string[]> = {
      "Give one of --serve and --output": ["--serve", "--output", "x.html"],
      "Give one of --serve and --markdown": ["--serve", "--markdown"],
      "Cannot use --port without --serve": ["x", "--port", "80"],
      "Cannot use --port": ["--serve", "--port", "65536"],
      "--port": ["--serve", "--port", "x"],
      "taffrail report": ["--serve", "a", "b"],
    };
    for (const [expected, args] of Object.entries(calls)) {
      const { code, stderr } = await ask(["report", ...args], cwd);
      assertEquals(code, 2, stderr);
      assertStringIncludes(stderr, expected);
    }
    const { code, stderr } = await ask(["report", "--serve", "no-such-run"], cwd);
    assertEquals(code, 1);
    assertStringIncludes(stderr, "Cannot find run");
  });
});
