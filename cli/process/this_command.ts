/** This very command, from its source, from its bundle, or as one executable. */
export function thisCommand(args: readonly string[]): string[] {
  if (Deno.build.standalone) return [Deno.execPath(), ...args];
  const main = Deno.mainModule;
  // What comes from a registry is not for the configuration of the folder where it runs.
  const config = main.startsWith("file:") ? [] : ["--no-config"];
  return [Deno.execPath(), "run", "--allow-all", "--no-lock", ...config, main, ...args];
}
