/** Which cuts there are, which of them are drawn, and when what a run has left is another thing. */
import { assertEquals } from "@std/assert";
import { cutsOf, cutText, sampleCuts } from "../../cli/drill/cuts.ts";
import { compareEffects, readEffects } from "../../cli/drill/effects.ts";
import { Scratch } from "../../cli/drill/scratch.ts";
import { isThere, namesIn, write } from "../_util/files.ts";
import { withTempDir } from "../_util/temp.ts";

const ATTEMPTS = [
  { nodeId: "a", attempt: 1, hasProcess: true },
  { nodeId: "b", attempt: 2, hasProcess: false },
];

Deno.test("an attempt is cut off at four points, and a command is killed alone and with the rest", () => {
  assertEquals(cutsOf(ATTEMPTS).map(cutText), [
    "attempt 1 of a, cut off before its work began",
    "attempt 1 of a, cut off when its work had begun",
    "attempt 1 of a, its command killed when its work had begun",
    "attempt 1 of a, cut off with its command when its work had begun",
    "attempt 1 of a, cut off when its work was over",
    "attempt 1 of a, cut off when its end was recorded",
    "attempt 2 of b, cut off before its work began",
    "attempt 2 of b, cut off when its work had begun",
    "attempt 2 of b, cut off when its work was over",
    "attempt 2 of b, cut off when its end was recorded",
  ]);
});

Deno.test("a seed draws the same cuts again, each once and in their order", () => {
  const cuts = cutsOf(ATTEMPTS);
  const drawn = new Set<string>();
  for (let seed = 0; seed < 20; seed++) {
    const sample = sampleCuts(cuts, 3, seed);
    assertEquals(sample, sampleCuts(cuts, 3, seed));
    assertEquals(sample, cuts.filter((cut) => sample.includes(cut)));
    assertEquals(sample.length, 3);
    drawn.add(JSON.stringify(sample));
  }
  assertEquals(drawn.size > 10, true);
  assertEquals(sampleCuts(cuts, 99, 1), cuts);
});

Deno.test("files differ by what they say and not by the order of their lines", () =>
  withTempDir(async (directory) => {
    const cases: [before: string | undefined, now: string | undefined, text: string | undefined][] =
      [
        ["a\nb\n", "a\nb\n", undefined],
        ["a\nb\n", "b\na\n", undefined],
        ["a\n", "a\na\n", "f has 2 lines instead of 1"],
        ["a\na\n", "a", "f has 1 line instead of 2"],
        ["a\n", "b\n", "f has other content"],
        ["", "\xff\xfe", "f has 1 line instead of 0"],
        ["a\n", undefined, "f is missing"],
        [undefined, "a\n", "f is there, and should not be"],
        [undefined, undefined, undefined],
      ];
    for (const [index, [before, now, text]] of cases.entries()) {
      const read = async (name: string, content: string | undefined) => {
        const folder = `${directory}/${index}-${name}`;
        await Deno.mkdir(folder);
        if (content !== undefined) write(`${folder}/f`, content);
        return await readEffects({ folder, runId: "r-1" }, ["f"]);
      };
      const found = compareEffects(await read("before", before), await read("now", now));
      assertEquals(found.map((difference) => difference.text), text === undefined ? [] : [text]);
    }
  }));

Deno.test("a folder among the effects stands for all files in it", () =>
  withTempDir(async (directory) => {
    await Deno.mkdir(`${directory}/out/deep`, { recursive: true });
    write(`${directory}/out/deep/a`, "a");
    write(`${directory}/out/b`, "b");
    const effects = await readEffects({ folder: directory, runId: "r-1" }, ["out", "gone"]);
    assertEquals([...effects.keys()].sort(), ["out/b", "out/deep/a"]);
  }));

Deno.test("that each run has an id of its own is no difference, in names and in lines", () =>
  withTempDir(async (directory) => {
    const read = async (runId: string) => {
      await Deno.mkdir(`${directory}/${runId}/out`, { recursive: true });
      write(`${directory}/${runId}/out/${runId}.txt`, `imported by ${runId}\n`);
      return await readEffects({ folder: `${directory}/${runId}`, runId }, ["out"]);
    };
    assertEquals(compareEffects(await read("demo-1"), await read("demo-2")), []);
  }));

Deno.test("a copy has all but the roots of runs; links lead where they led", () =>
  withTempDir(async (directory) => {
    const place = { directory: `${directory}/p`, below: "sub", isHere: false, effects: [] };
    for (const folder of ["p/sub", "p/.taffrail/runs", "p/sub/records/runs/r-1", "p/runs/x"]) {
      await Deno.mkdir(`${directory}/${folder}`, { recursive: true });
    }
    write(`${directory}/outside`, "outside");
    write(`${directory}/p/sub/tool.sh`, "#!/bin/sh\n");
    await Deno.chmod(`${directory}/p/sub/tool.sh`, 0o755);
    write(`${directory}/p/sub/records/runs/r-1/run.json`, "{}");
    await Deno.symlink("sub/tool.sh", `${directory}/p/inside`);
    await Deno.symlink("../outside", `${directory}/p/out`);
    await Deno.symlink("nowhere", `${directory}/p/dangling`);
    const notes: string[] = [];
    const note = (text: string) => notes.push(text);
    let made: string;
    {
      await using scratch = await Scratch.make(place, { kept: undefined, note });
      const { folder, cwd } = scratch;
      made = folder;
      assertEquals(cwd, `${folder}/sub`);
      assertEquals(namesIn(folder), ["dangling", "inside", "out", "runs", "sub"]);
      assertEquals(namesIn(cwd), ["tool.sh"]);
      assertEquals((await Deno.stat(`${folder}/inside`)).mode! & 0o777, 0o755);
      assertEquals(await Deno.realPath(`${folder}/inside`), `${folder}/sub/tool.sh`);
      assertEquals(await Deno.realPath(`${folder}/out`), `${directory}/outside`);
      assertEquals(await Deno.readLink(`${folder}/dangling`), "nowhere");
    }
    assertEquals(isThere(made), false);
    assertEquals(notes, []);
  }));
