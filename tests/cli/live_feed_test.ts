import { assert, assertEquals, assertRejects } from "@std/assert";
import { LiveFeed, type LiveSource } from "../../cli/report/serve/live_feed.ts";
import { EventReader } from "./_served.ts";

/** Data that a test changes. */
class MadeSource implements LiveSource {
  readonly shape = { list: "nodes", readAt: "readMs" };
  data: Record<string, unknown> | undefined | Error = { readMs: 0, nodes: [0, 0, 0] };
  /** When it was read. */
  readonly reads: number[] = [];
  isWatched = false;
  #onChange = () => {};

  read(): Promise<Record<string, unknown> | undefined> {
    this.reads.push(performance.now());
    if (this.data instanceof Error) return Promise.reject(this.data);
    return Promise.resolve(this.data);
  }

  async watch(onChange: () => void, signal: AbortSignal): Promise<void> {
    this.#onChange = onChange;
    this.isWatched = true;
    const over = Promise.withResolvers<void>();
    signal.addEventListener("abort", () => over.resolve());
    if (!signal.aborted) await over.promise;
    this.isWatched = false;
  }

  change(data: MadeSource["data"]): void {
    this.data = data;
    this.#onChange();
  }
}

const SOON = { lingerMs: 10, pingMs: 60_000 };

Deno.test("LiveFeed reads once for all who look, and no more when nobody does", async () => {
  const source = new MadeSource();
  const feed = new LiveFeed(source, SOON);
  {
    await using one = EventReader.of(feed.events(undefined));
    await using other = EventReader.of(feed.events(undefined));
    const changes = await one.until(() => true);
    assertEquals(await other.until(() => true), changes);
    assertEquals(source.reads.length, 1);
    source.change({ readMs: 1, nodes: [0, 1, 0] });
    const expected = { readAt: 1, members: {}, count: 3, items: [[1, 1]] };
    assertEquals<unknown>(await one.until(() => true), expected);
    assertEquals<unknown>(await other.until(() => true), expected);
    assertEquals([source.reads.length, source.isWatched], [2, true]);
  }
  await feed.ended;
  assertEquals(source.isWatched, false);
});

Deno.test("LiveFeed reads at most four times a second, however often something changes", async () => {
  const source = new MadeSource();
  const feed = new LiveFeed(source, SOON);
  {
    await using events = EventReader.of(feed.events(undefined));
    let count = 0;
    const changing = setInterval(() => source.change({ readMs: 0, nodes: [++count] }), 1);
    for (let update = 0; update < 5; update++) await events.until(() => true);
    clearInterval(changing);
  }
  await feed.ended;
  const gaps = source.reads.slice(1).map((at, place) => at - source.reads[place]!);
  assert(gaps.length >= 4 && gaps.every((gap) => gap > 245), `${gaps}`);
});

Deno.test("LiveFeed tells who is slow at once what has changed meanwhile", async () => {
  const source = new MadeSource();
  const feed = new LiveFeed(source, SOON);
  {
    await using quick = EventReader.of(feed.events(undefined));
    await using slow = EventReader.of(feed.events(undefined));
    await quick.until(() => true);
    for (let place = 0; place < 3; place++) {
      const nodes = [0, 0, 0].map((_, other) => other <= place ? 1 : 0);
      source.change({ readMs: place, nodes });
      await quick.until(({ items }) => items[place] === 1);
    }
    const messages: number[] = [];
    await slow.until(({ items }) => {
      messages.push(items.filter((item) => item === 1).length);
      return items.every((item) => item === 1);
    });
    // One may have been on its way; all others are one.
    assert(messages.length <= 3, `${messages}`);
  }
  await feed.ended;
});

Deno.test("LiveFeed tells when its source cannot be read, when it can again, and when it is gone", async () => {
  const source = new MadeSource();
  source.data = new Error("it is\nbroken\u001b[31m");
  const feed = new LiveFeed(source, SOON);
  await assertRejects(() => feed.page(), Error, "it is broken\\u001b[31m");
  {
    await using events = EventReader.of(feed.events(undefined));
    assertEquals(JSON.parse(await events.event("problem")), {
      message: "it is broken\\u001b[31m",
    });
    source.change({ readMs: 1, nodes: [7] });
    await events.until(({ items }) => items[0] === 7);
    source.change(new Error("again"));
    await events.event("problem");
    // It is as it was, which has to be said.
    source.change({ readMs: 1, nodes: [7] });
    await events.until(({ items }) => items[0] === 7);
    source.change(undefined);
    await events.event("gone");
    await events.end();
  }
  await feed.ended;
  assertEquals(await feed.page(), undefined);
});

Deno.test("LiveFeed gives a page the place from which it goes on, and keeps it up for a moment", async () => {
  const source = new MadeSource();
  const feed = new LiveFeed(source, { ...SOON, lingerMs: 1000 });
  const page = await feed.page();
  assertEquals(page?.data, source.data);
  {
    await using events = EventReader.of(feed.events(page!.position));
    source.change({ readMs: 1, nodes: [0, 0, 5] });
    assertEquals((await events.until(() => true)).items, [[2, 5]]);
  }
  await feed.ended;
});

Deno.test("LiveFeed says that it is there, at once and again and again", async () => {
  const feed = new LiveFeed(new MadeSource(), { lingerMs: 10, pingMs: 20 });
  {
    await using events = EventReader.of(feed.events(undefined));
    for (let ping = 0; ping < 3; ping++) {
      assert(Math.abs(JSON.parse(await events.event("ping")).at - Date.now()) < 1e6);
    }
  }
  await feed.ended;
});
