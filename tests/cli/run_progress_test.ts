import { assertEquals } from "@std/assert";
import { RunProgress } from "../../cli/display/run_display.ts";

const UNTIL = new Date(2026, 10, 21, 9, 5, 3);

Deno.test("RunProgress counts what had completed before a run was gone on with", () => {
  const progress = new RunProgress(4, 2);
  progress.started("build");
  assertEquals(progress.text(performance.now()), "2/4 done · running build 0s · 1 needs others");
  progress.ended("build", true);
  assertEquals(progress.text(performance.now()), "3/4 done · 1 needs others");
});

Deno.test("RunProgress tells what runs how long, what waits and why, and what needs others", () => {
  const progress = new RunProgress(6);
  const now = performance.now();
  assertEquals(progress.text(now), "0/6 done · 6 need others");
  progress.started("build");
  progress.started("test");
  progress.deferred("lint", { reason: "rate_limited", until: UNTIL });
  progress.deferred("fmt", { reason: "saturated", until: UNTIL });
  progress.deferred("docs", { reason: "rate_limited", until: UNTIL });
  const [build, test] = ["build 12s", "test 12s"];
  assertEquals(
    progress.text(performance.now() + 12_000),
    `0/6 done · running ${build}, ${test} · waiting lint, docs (rate limit until 09:05:03) · ` +
      "waiting fmt (no free place) · 1 needs others",
  );
  progress.ended("build", true);
  progress.started("lint");
  progress.ended("test", false);
  assertEquals(progress.text(performance.now()), "1/6 done, 1 failed · running lint 0s");
  progress.started("test");
  progress.ended("test", true);
  progress.ended("lint", true);
  assertEquals(
    progress.text(now),
    "3/6 done · waiting fmt (no free place) · waiting docs (rate limit until 09:05:03) · 1 needs others",
  );
});
