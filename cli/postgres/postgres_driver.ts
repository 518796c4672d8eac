/** All that is loaded of others for a root on PostgreSQL, in one file of what is published. */
export { default as postgres } from "postgres";
export { default as net } from "node:net";
export { default as tls } from "node:tls";
export { userInfo } from "node:os";
