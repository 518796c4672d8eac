/** A process that writes one bundle path many times: `<path> <name> <count>`. */
import { writeCaptureBundle, writeCaptureBundleSync } from "../../capture/mod.ts";
import { sampleBundle } from "./_util.ts";

const [path = "", name = "", count = ""] = Deno.args;
const bundle = { ...await sampleBundle(), graph_id: name.repeat(200) };
for (let index = 0; index < Number(count); index++) {
  const style = index % 2 === 0 ? "compact" : "pretty";
  if (index % 3 === 0) writeCaptureBundleSync(path, bundle, { style });
  else await writeCaptureBundle(path, bundle, { style });
}
