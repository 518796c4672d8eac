/** Roots that break a rule, to show that the suite of the contract catches them. */
import type { HeldRun, RunsRoot, RunView } from "../../run/types.ts";

/** What a root does otherwise than the one that it passes everything on to. */
export interface Mistake {
  /** Part of the name of the rule that catches it. */
  rule: string;
  root?: (root: RunsRoot) => Partial<RunsRoot>;
  held?: (held: HeldRun, root: RunsRoot) => Partial<HeldRun>;
  view?: (view: RunView) => Partial<RunView>;
}

/** An object with some members replaced; the others are those of the original, private ones included. */
export function changed<T extends object>(original: T, changes: Partial<T>): T {
  return new Proxy(original, {
    get(target, name) {
      if (Object.hasOwn(changes, name)) return Reflect.get(changes, name);
      const member = Reflect.get(target, name, target);
      return typeof member === "function" ? member.bind(target) : member;
    },
  });
}

/** A root that makes a mistake and passes all else on. */
export function withMistake(root: RunsRoot, mistake: Partial<Mistake>): RunsRoot {
  const viewOf = (view: RunView) => changed(view, mistake.view?.(view) ?? {});
  const heldOf = (held: HeldRun) =>
    changed(held, { view: viewOf(held.view), ...mistake.held?.(held, root) });
  const wrong = mistake.root?.(root) ?? {};
  return changed(root, {
    create: async (options) => heldOf(await (wrong.create ?? root.create.bind(root))(options)),
    hold: async (id, options) => heldOf(await (wrong.hold ?? root.hold.bind(root))(id, options)),
    view: (runId) => viewOf(root.view(runId)),
    ...Object.fromEntries(Object.entries(wrong).filter(([name]) => !/^(create|hold)$/.test(name))),
  });
}
