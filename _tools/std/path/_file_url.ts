/** Parses `url` and refuses any other protocol than `file:`. */
export function requireFileUrl(url: URL | string): URL {
  const parsed = url instanceof URL ? url : new URL(url);
  if (parsed.protocol !== "file:") {
    throw new TypeError(`URL must be a file URL: received "${parsed.protocol}"`);
  }
  return parsed;
}

/** Decodes percent escapes, leaving a `%` that is not an escape as it is. */
export function decodePathname(pathname: string): string {
  return decodeURIComponent(pathname.replace(/%(?![0-9A-Fa-f]{2})/g, "%25"));
}
