/** A stand-in for `@std/crypto/crypto` with the digests that this project takes. */
import { blake3 } from "@noble/hashes/blake3.js";
import { sha256 } from "@noble/hashes/sha2.js";

/** The digests that the stand-in has; the real package has many more. */
export type DigestAlgorithmName = "BLAKE3" | "SHA-256";

/** A digest by name, and how long it is to be where that is a choice. */
export type DigestAlgorithmObject = { name: DigestAlgorithmName; length?: number };

/** A digest. */
export type DigestAlgorithm = DigestAlgorithmName | DigestAlgorithmObject;

/** The part of the real package's interface that the stand-in has. */
export interface StdSubtleCrypto {
  digestSync(
    algorithm: DigestAlgorithm,
    data: BufferSource | Iterable<BufferSource>,
  ): ArrayBuffer;
}

/** The part of the real package's interface that the stand-in has. */
export interface StdCrypto {
  readonly subtle: StdSubtleCrypto;
}

/** Digests without waiting. */
export const crypto: StdCrypto = { subtle: { digestSync } };

function digestSync(
  algorithm: DigestAlgorithm,
  data: BufferSource | Iterable<BufferSource>,
): ArrayBuffer {
  const { name, length } = typeof algorithm === "string" ? { name: algorithm } : algorithm;
  const hash = name === "BLAKE3"
    ? blake3.create(length === undefined ? {} : { dkLen: length })
    : sha256.create();
  for (const part of isBufferSource(data) ? [data] : data) hash.update(asBytes(part));
  return Uint8Array.from(hash.digest()).buffer;
}

function isBufferSource(data: BufferSource | Iterable<BufferSource>): data is BufferSource {
  return data instanceof ArrayBuffer || ArrayBuffer.isView(data);
}

function asBytes(part: BufferSource): Uint8Array {
  if (part instanceof ArrayBuffer) return new Uint8Array(part);
  return new Uint8Array(part.buffer, part.byteOffset, part.byteLength);
}
