/** How the checks install what they need of the machine, where that may be done: as root on Debian. */

/** Whether there is a file. */
export async function isFile(path: string): Promise<boolean> {
  try {
    return (await Deno.stat(path)).isFile;
  } catch {
    return false;
  }
}

/** Whether this is Debian, or a system made of it, and this process may install there. */
export async function mayInstall(): Promise<boolean> {
  return Deno.build.os === "linux" && Deno.uid() === 0 && await isFile("/usr/bin/apt-get");
}

/** What forbids Debian's packages to start the services that they bring. */
const START_POLICY = "/usr/sbin/policy-rc.d";

/** Installs packages, and starts nothing of them. What cannot be had is seen by what is missing afterwards. */
export async function install(packages: readonly string[]): Promise<void> {
  const forbidsAlready = await isFile(START_POLICY);
  if (!forbidsAlready) {
    await Deno.writeTextFile(START_POLICY, "#!/bin/sh\nexit 101\n", { mode: 0o755 });
  }
  try {
    await runAptGet(["update", "-qq"]);
    await runAptGet(["install", "-y", "-qq", "--no-install-recommends", ...packages]);
  } finally {
    if (!forbidsAlready) await Deno.remove(START_POLICY);
  }
}

async function runAptGet(args: string[]): Promise<void> {
  const env = { DEBIAN_FRONTEND: "noninteractive" };
  // Somebody else may be installing something.
  const patient = ["-o", "DPkg::Lock::Timeout=300", ...args];
  await new Deno.Command("apt-get", { args: patient, env, stdin: "null", stdout: "null" }).spawn()
    .status;
}
