import type { EventLog } from "../eventlog/types.ts";

/** One rule of a contract, as a test. */
export interface ContractTest {
  /** What is required. */
  name: string;
  /** Resolves when it is kept, and rejects when it is not. */
  fn: () => Promise<void>;
}

/** Options of the contract suites. */
export interface ContractOptions {
  /**
   * How often what needs luck to fail, such as a race, is tried.
   *
   * @default {20}
   */
  rounds?: number;

  /**
   * Whether a server keeps what is recorded, apart from the processes that use it: then there are some more
   * rules, and for them `provide` has to say what that server can be made to do.
   *
   * @default {false}
   */
  server?: boolean;
}

/** What a server can be made to do, by which its users show what they make of it. */
export interface ServerFaults {
  /** Ends every connection to it; it takes new ones at once. */
  interrupt(): Promise<void>;
  /**
   * Runs `append`, and has the server crash and come back without what that appended: nothing of that had
   * to be on disk.
   */
  rewind(append: () => Promise<void>): Promise<void>;
}

/** The events of the suite. */
export interface ContractEvent {
  /** A number. */
  n: number;
  /** Any text. */
  text?: string;
}

/** Opens one log, empty at first, any number of times; each handle is closed by who opened it. */
export type OpenLog = () => Promise<EventLog<ContractEvent>>;
