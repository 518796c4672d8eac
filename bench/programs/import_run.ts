import "../../run/mod.ts";
