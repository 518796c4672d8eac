import { assertEquals } from "@std/assert";
import {
  type DeferredEpisode,
  DeferredQueue,
  Fifo,
} from "../../../supervisor/core/deferred_queue.ts";
import { mixSeeds, Random } from "../../_util/random.ts";
import { longCount, seed } from "../../_util/temp.ts";
import { event } from "../_util.ts";

/** The core's two queues, beside plain lists. */

Deno.test("SCH-1 the deferred queue is ordered by (time, episode id), whatever is taken out of it", () => {
  const origin = event("e1");
  for (let round = 0; round < longCount(50, 2_000); round++) {
    const random = new Random(mixSeeds(seed(), 1, round));
    const queue = new DeferredQueue();
    const list: DeferredEpisode[] = [];
    for (let step = 0; step < 200; step++) {
      if (random.chance(0.6)) {
        const at = { secs: random.below(4), nanos: random.below(3) };
        const episodeId = random.below(2 ** 32) * 256 + step;
        const episode = { at, episodeId, origin, deferCount: step, attempts: 0 };
        queue.add(episode);
        list.push(episode);
        list.sort((a, b) =>
          a.at.secs - b.at.secs || a.at.nanos - b.at.nanos || a.episodeId - b.episodeId
        );
      } else if (random.chance(0.5)) {
        queue.removeFirst();
        list.shift();
      } else {
        const index = random.below(list.length + 1);
        const [gone] = list.splice(index, 1);
        const episodeId = gone?.episodeId ?? -1;
        assertEquals(queue.has(episodeId), gone !== undefined);
        assertEquals(queue.remove(episodeId), gone);
        assertEquals(queue.has(episodeId), false);
      }
      assertEquals([queue.size, queue.first()], [list.length, list[0]]);
    }
    assertEquals(queue.toArray(), list);
  }
});

Deno.test("Fifo keeps the order of any pushes and shifts", () => {
  for (let round = 0; round < longCount(50, 2_000); round++) {
    const random = new Random(mixSeeds(seed(), 2, round));
    const queue = new Fifo<number>();
    const list: number[] = [];
    for (let step = 0; step < 200; step++) {
      if (random.chance(0.55)) {
        queue.push(step);
        list.push(step);
      } else {
        assertEquals(queue.shift(), list.shift());
      }
      const index = random.below(20);
      assertEquals([queue.length, queue.at(index)], [list.length, list[index]]);
    }
    assertEquals(queue.toArray(), list);
  }
});
