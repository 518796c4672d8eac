/** A network that carries nothing: nobody hangs on it, nothing is lost or doubled, and who cannot know lets go. */
import { assert, assertEquals, assertFalse, assertRejects } from "@std/assert";
import { migratePostgres, openPostgresRoot } from "../../postgres/mod.ts";
import { clientOf } from "./_client.ts";
import { Proxy } from "./_proxy.ts";
import { withSharedServer } from "./_server.ts";

/** Runs `use` with two URLs of one new root: by a network that may fail, and past it. */
async function withPartition(
  use: (proxy: Proxy, urls: { url: string; direct: string }) => Promise<void>,
): Promise<void> {
  await withSharedServer((server) =>
    server.withDatabase(async ({ name, url: direct }) => {
      await migratePostgres(clientOf(direct));
      await using proxy = new Proxy(server.place.port);
      await use(proxy, { direct, url: `postgres://postgres@127.0.0.1:${proxy.port}/${name}` });
    })
  );
}

Deno.test("what hangs in the network is sent again, is there once, and ends nothing", async () => {
  await withPartition(async (proxy, { url, direct }) => {
    await using root = await openPostgresRoot(clientOf(url));
    await using held = await root.create({ about: { name: "demo" }, runId: "demo" });
    await held.append({ capture: ['{"n":1}'] });
    await held.barrier();
    proxy.freeze();
    const appending = held.append({ capture: ['{"n":2}'] });
    const error = await assertRejects(() => root.view("demo").lines("capture"), Error);
    assertEquals((error as { kind?: unknown }).kind, "io");
    proxy.thaw();
    await appending;
    await held.append({ capture: ['{"n":3}'] });
    await held.barrier();
    assertFalse(held.lost.aborted);
    await using other = await openPostgresRoot(clientOf(direct));
    const { events } = await other.view("demo").lines("capture");
    assertEquals(events.map(({ event }) => event), [{ n: 1 }, { n: 2 }, { n: 3 }]);
  });
});

Deno.test("a holder that is cut off lets go when its lease is over, and can be taken over", async () => {
  await withPartition(async (proxy, { url, direct }) => {
    await using root = await openPostgresRoot(clientOf(url), { leaseMs: 2000 });
    const held = await root.create({ about: { name: "demo" }, runId: "demo" });
    await held.append({ capture: ['{"n":1}'] });
    await held.barrier();
    const lost = new Promise<number>((resolve) => {
      held.lost.addEventListener("abort", () => resolve(performance.now()));
    });
    const frozen = performance.now();
    proxy.freeze();
    const waited = await lost - frozen;
    // Long before an answer is given up, which takes ten seconds; a loaded machine may take its time.
    assert(waited < 9000, `it took ${waited} ms`);
    await using other = await openPostgresRoot(clientOf(direct));
    await using taken = await other.hold("demo", { takeOver: true });
    await taken.append({ capture: ['{"n":2}'] });
    proxy.thaw();
    const error = await assertRejects(() => held.append({ capture: ['{"n":9}'] }), Error);
    assertEquals((error as { kind?: unknown }).kind, "lost");
    await held[Symbol.asyncDispose]();
    await taken.append({ capture: ['{"n":3}'] });
    const { events } = await taken.view.lines("capture");
    assertEquals(events.map(({ event }) => event), [{ n: 1 }, { n: 2 }, { n: 3 }]);
  });
});

Deno.test("a root is closed though it waits for an answer that does not come", async () => {
  await withPartition(async (proxy, { url }) => {
    const root = await openPostgresRoot(clientOf(url));
    const held = await root.create({ about: { name: "demo" }, runId: "demo" });
    await held[Symbol.asyncDispose]();
    proxy.freeze();
    const reading = assertRejects(() => root.view("demo").lines("capture"), Error);
    await root[Symbol.asyncDispose]();
    await reading;
  });
});
