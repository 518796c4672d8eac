import "../../eventlog/mod.ts";
