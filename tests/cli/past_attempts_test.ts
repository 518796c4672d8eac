/** What a resumed run says of the attempts that another process began. */
import { assertEquals } from "@std/assert";
import type { RecoveredCapture } from "../../capture/session/recover_capture.ts";
import { PastAttempts } from "../../cli/engine/past_attempts.ts";
import type { AttemptPlace } from "../../cli/engine/types.ts";
import type { RunRecorder } from "../../run/run_recorder.ts";

Deno.test("only what the dead process began was cut off, whatever the log has begun since", () => {
  // As when the store fails behind a begin of this process: the log has it already.
  const fold = { attemptsOf: () => [{ attempt: 1, status: "Running" }] };
  const past = new PastAttempts({ fold } as unknown as RunRecorder, {} as AttemptPlace);
  const recovered = {
    bundle: {},
    interrupted: [
      { episode_id: 0, event_id: "dead", attempt: 1, termination: null },
      { episode_id: 1, event_id: "ended", attempt: 1, termination: "Completed" },
    ],
  } as unknown as RecoveredCapture;
  const cutOff = past.cutOff(recovered).map(({ nodeId, attempt }) => `${nodeId} ${attempt}`);
  assertEquals(cutOff, ["dead 1"]);
  const endOf = (nodeId: string) => past.openEnd({ nodeId, attempt: 1 }, "Aborted");
  assertEquals(endOf("dead"), {
    termination: "Aborted",
    message: "cut off: the process that supervised it died",
  });
  assertEquals([endOf("ended"), endOf("begun-here")], [undefined, undefined]);
});
