import "../../capture/mod.ts";
import "../../eventlog/mod.ts";
import "../../run/mod.ts";
import "../../store/mod.ts";
import "../../supervisor/mod.ts";
import "../../trace/mod.ts";
