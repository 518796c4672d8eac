/**
 * Workers of one run that are killed, frozen and cut off while it goes on, and others that come in their place; one that
 * nothing happens to is always there.
 */
import { startTaffrail } from "../cli/_command.ts";
import type { RunningProcess } from "../_util/process.ts";
import type { Random } from "../_util/random.ts";
import type { Place } from "./_place.ts";
import { Proxy } from "./_proxy.ts";

/** What happens to a worker. */
export type WorkerBlow = "kill" | "freeze" | "cut";

/** One that blows may fall on. */
interface Victim {
  process: RunningProcess;
  proxy: Proxy;
}

/** Workers, and what happens to them. */
export class WorkStorm implements AsyncDisposable {
  /** How many blows of which kind there were. */
  readonly blows: Record<WorkerBlow, number> = { kill: 0, freeze: 0, cut: 0 };
  readonly #place: Pick<Place, "url" | "cwd" | "env">;
  readonly #leaseMs: number;
  readonly #random: Random;
  readonly #victims: Victim[] = [];
  readonly #all = new AsyncDisposableStack();
  readonly #blowing = new Set<Promise<void>>();

  private constructor(
    place: Pick<Place, "url" | "cwd" | "env">,
    { leaseMs, random }: { leaseMs: number; random: Random },
  ) {
    this.#place = place;
    this.#leaseMs = leaseMs;
    this.#random = random;
  }

  /** Starts one worker that is safe, and so many that are not. */
  static async start(
    place: Pick<Place, "url" | "cwd" | "env">,
    { victims, ...options }: { leaseMs: number; random: Random; victims: number },
  ): Promise<WorkStorm> {
    const storm = new WorkStorm(place, options);
    await storm.#start(place.url);
    for (let n = 0; n < victims; n++) await storm.#startVictim();
    return storm;
  }

  /** Lets one fall on a worker that none is falling on, and goes on when another one can. */
  blow(kind: WorkerBlow): void {
    const victim = this.#victims.splice(this.#random.below(this.#victims.length), 1)[0];
    if (victim === undefined) return;
    this.blows[kind]++;
    const blown = this.#let(kind, victim).finally(() => this.#blowing.delete(blown));
    this.#blowing.add(blown);
  }

  /** Waits for what falls, and ends all. */
  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.allSettled(this.#blowing);
    await this.#all.disposeAsync();
  }

  async #let(kind: WorkerBlow, victim: Victim): Promise<void> {
    const { process, proxy } = victim;
    // Some are back before anybody has noticed, others when all that they had is lost.
    const ms = this.#leaseMs * (0.5 + 1.5 * this.#random.next());
    if (kind === "kill") {
      process.kill("SIGKILL");
      await process.end();
      return await this.#startVictim();
    }
    if (kind === "freeze") process.kill("SIGSTOP");
    else proxy.freeze();
    await new Promise((resolve) => setTimeout(resolve, ms));
    if (kind === "freeze") process.kill("SIGCONT");
    else proxy.thaw();
    this.#victims.push(victim);
  }

  async #startVictim(): Promise<void> {
    const { url } = this.#place;
    const { port } = new URL(url);
    const proxy = this.#all.use(new Proxy(Number(port)));
    const process = await this.#start(url.replace(`:${port}/`, `:${proxy.port}/`));
    this.#victims.push({ process, proxy });
  }

  async #start(url: string): Promise<RunningProcess> {
    const { cwd, env } = this.#place;
    const words = ["--slots", "3", "--lease", `${this.#leaseMs}ms`, "--root", url];
    const process = this.#all.use(startTaffrail(["work", ...words], { cwd, env }));
    await process.stderr.find(/^worker /).catch(async (cause) => {
      throw new Error(`A worker has ended: ${JSON.stringify(await process.end())}`, { cause });
    });
    return process;
  }
}
