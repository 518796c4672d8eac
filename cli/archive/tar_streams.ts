/** All that is loaded of others for an archive, in one file of what is published: it knows no system, and no files. */
export { createTarDecoder, createTarPacker } from "modern-tar";
