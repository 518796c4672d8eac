/** The root of a Windows path, and what follows it. */
export interface SplitPath {
  /** `C:` or `\\server\share`; empty where the path names neither. */
  device: string;
  /** Whether the path starts at the root of its device. */
  isAbsolute: boolean;
  /** How many characters of the path the root takes. */
  rootLength: number;
}

/** Splits the root off `path`; both separators are understood. */
export function splitRoot(path: string): SplitPath {
  const share = /^[\\/]{2}([^\\/]+)[\\/]+([^\\/]+)/.exec(path);
  if (share !== null) {
    const device = `\\\\${share[1]}\\${share[2]}`;
    return { device, isAbsolute: true, rootLength: share[0].length };
  }
  const drive = /^([A-Za-z]:)([\\/]?)/.exec(path);
  if (drive !== null) {
    return { device: drive[1]!, isAbsolute: drive[2] !== "", rootLength: drive[0].length };
  }
  const isAbsolute = /^[\\/]/.test(path);
  return { device: "", isAbsolute, rootLength: isAbsolute ? 1 : 0 };
}
