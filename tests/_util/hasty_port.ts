import { denoFilePort, type FileHandle, type FilePort } from "../../_internal/file_port.ts";

const SYNCS: Record<PropertyKey, () => unknown> = {
  syncDataSync: () => {},
  syncSync: () => {},
  syncData: () => Promise.resolve(),
  sync: () => Promise.resolve(),
};

/** The real file system, but nobody waits for the disk: for the many tests that cut no power. */
export const hastyFilePort: FilePort = {
  ...denoFilePort,
  openSync: (path, options) => withoutSyncs(denoFilePort.openSync(path, options)),
};

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

function withoutSyncs(handle: FileHandle): FileHandle {
  return new Proxy(handle, {
    get(target, name) {
      if (name in SYNCS) return SYNCS[name];
      const member: unknown = Reflect.get(target, name);
      return typeof member === "function" ? member.bind(target) : member;
    },
  });
}
