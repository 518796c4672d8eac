import { assertRejects } from "@std/assert";
import { taffrail } from "../cli/_command.ts";
import { onlyRun } from "../cli/_runs.ts";
import { withMemoryDir } from "../_util/temp.ts";
import { checkRecords } from "./_records_agree.ts";

Deno.test("the records of a run agree, and each one that is changed is found", () =>
  withMemoryDir(async (cwd) => {
    await taffrail(["exec", "--", "true"], { cwd });
    const root = `${cwd}/.taffrail`;
    await checkRecords(root);
    const directory = `${root}/runs/${await onlyRun(root)}`;
    const lost = {
      "events.jsonl": /"type":"node.completed".*\n/,
      "capture.jsonl": /"type":"completion".*\n/,
    };
    for (const [name, part] of Object.entries(lost)) {
      const text = await Deno.readTextFile(`${directory}/${name}`);
      const line = text.split("\n").find((line) => part.test(`${line}\n`))!;
      await Deno.writeTextFile(`${directory}/${name}`, text.replace(`${line}\n`, ""));
      await assertRejects(() => checkRecords(root), Error, "says");
      await Deno.writeTextFile(`${directory}/${name}`, text);
    }
    await checkRecords(root);
  }));
