/** Whether `path` starts at the root of its drive. */
export function isAbsolute(path: string): boolean {
  return /^([A-Za-z]:)?[\\/]/.test(path);
}
