import "../../supervisor/mod.ts";
