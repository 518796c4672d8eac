/** A process that owns a runtime, for the tests. */
import { assertEquals } from "@std/assert";
import { Child, type ChildOptions } from "./_child.ts";
import type { OwnerAnswer, OwnerCommand } from "./_programs/_store_owner.ts";

export const RUNTIME_ID = "crash";

/** Does to a runtime what it is told. */
export class Owner implements AsyncDisposable {
  readonly #child: Child;

  private constructor(child: Child) {
    this.#child = child;
  }

  static async start(
    root: string,
    options: Pick<ChildOptions, "permissions" | "wrap" | "cwd"> = {},
  ): Promise<Owner> {
    const child = new Child("./_programs/store_owner.ts", { args: [root, RUNTIME_ID], ...options });
    try {
      assertEquals(await child.next(), "ready");
      return new Owner(child);
    } catch (error) {
      await child[Symbol.asyncDispose]();
      throw error;
    }
  }

  get pid(): number {
    return this.#child.pid;
  }

  async tell(command: OwnerCommand): Promise<OwnerAnswer> {
    await this.#child.send(JSON.stringify(command));
    return JSON.parse(await this.#child.next());
  }

  /** Tells what must go well, and returns what came of it. */
  async get<T>(command: OwnerCommand): Promise<T> {
    const { done, failure } = await this.tell(command);
    assertEquals(failure, undefined);
    return done as T;
  }

  async kill(): Promise<void> {
    await this.#child.kill();
  }

  async end(): Promise<void> {
    await this.#child.end();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#child[Symbol.asyncDispose]();
  }
}
