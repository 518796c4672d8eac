import { denoFilePort, type FilePort, withoutSyncs } from "../../_internal/file_port.ts";

/** The real file system, but nobody waits for the disk: for the many tests that cut no power. */
export const hastyFilePort: FilePort = withoutSyncs(denoFilePort);

/**
 * Removes a folder and all in it with a call for each, so that each can fail or be the last one. The
 * system does it so too; unlike it this follows a link that is put there meanwhile.
 */
export function removeByOne(port: FilePort, path: string, base: FilePort = port): void {
  if (base.lstatSync(path).isDirectory) {
    for (const { name } of [...base.readDirSync(path)]) removeByOne(port, `${path}/${name}`, base);
  }
  port.removeSync(path);
}
