/** Lists the names that would have been right, in serde's words: ``expected `a` or `b` ``. */
export function expectedNames(names: readonly string[], what: "fields" | "variants"): string {
  const quoted = names.map((name) => `\`${name}\``);
  if (quoted.length === 0) return `there are no ${what}`;
  if (quoted.length <= 2) return `expected ${quoted.join(" or ")}`;
  return `expected one of ${quoted.join(", ")}`;
}
