/** How a message ends in the real package: with the caller's text, or with a period. */
export function endOf(msg: string | undefined): string {
  return msg ? `: ${msg}` : ".";
}
