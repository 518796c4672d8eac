/** The text of some bytes, up to the first byte that is not UTF-8. */
export interface DecodedText {
  text: string;
  isWhole: boolean;
}

/** Decodes UTF-8 strictly; a byte order mark stays in the text, where the parser refuses it. */
export function decodeUtf8(bytes: Uint8Array): DecodedText {
  const whole = decode(bytes, { isPrefix: false });
  if (whole !== undefined) return { text: whole, isWhole: true };
  // Finds the longest prefix that could go on as UTF-8: `good` bytes can, `bad` bytes cannot.
  let good = 0;
  let bad = bytes.length + 1;
  while (bad - good > 1) {
    const middle = (good + bad) >>> 1;
    if (decode(bytes.subarray(0, middle), { isPrefix: true }) === undefined) bad = middle;
    else good = middle;
  }
  return { text: decode(bytes.subarray(0, good), { isPrefix: true }) ?? "", isWhole: false };
}

function decode(bytes: Uint8Array, { isPrefix }: { isPrefix: boolean }): string | undefined {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })
      .decode(bytes, { stream: isPrefix });
  } catch (error) {
    if (error instanceof TypeError) return undefined;
    throw error;
  }
}
