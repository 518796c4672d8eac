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
}
