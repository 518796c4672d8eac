import { assertEquals, assertMatch } from "@std/assert";
import { printFloat, printNumber } from "../../../_internal/wire_json/json_value.ts";
import { parseJson } from "../../../_internal/wire_json/parse_json.ts";
import { Random } from "../../_util/random.ts";
import { longCount, seed } from "../../_util/temp.ts";
import { randomDouble } from "./_random_json.ts";

Deno.test("printFloat() prints every row of the table of J-4", () => {
  const table: [number, string][] = [
    [1, "1.0"],
    [-0, "-0.0"],
    [0, "0.0"],
    [1e15, "1000000000000000.0"],
    [1e16, "1e16"],
    [1.5e16, "1.5e16"],
    [123456789012345680, "1.2345678901234568e17"],
    [1e21, "1e21"],
    [1e-4, "0.0001"],
    [1e-5, "0.00001"],
    [1e-6, "1e-6"],
    [1.5e-7, "1.5e-7"],
    [1.7976931348623157e308, "1.7976931348623157e308"],
    [5e-324, "5e-324"],
    [0.30000000000000004, "0.30000000000000004"],
    [42, "42.0"],
    [906.7979265841685, "906.7979265841685"],
  ];
  for (const [value, text] of table) {
    assertEquals(printFloat(value), text);
    if (value !== 0) assertEquals(printFloat(-value), `-${text}`);
  }
});

Deno.test("printFloat() changes its form exactly at the exponents 16 and -6 (J-4)", () => {
  assertEquals(printFloat(9999999999999998), "9999999999999998.0");
  assertEquals(printFloat(10000000000000002), "1.0000000000000002e16");
  assertEquals(printFloat(0.000010000000000000001), "0.00001");
  assertEquals(printFloat(0.000009999999999999999), "9.999999999999999e-6");
});

Deno.test("printNumber() prints integers as integers up to 2^53-1, and floats beyond", () => {
  const table: [number, string][] = [
    [0, "0"],
    [1, "1"],
    [-7, "-7"],
    [1e15, "1000000000000000"],
    [2 ** 53 - 1, "9007199254740991"],
    [-(2 ** 53 - 1), "-9007199254740991"],
    [2 ** 53, "9007199254740992.0"],
    [123456789012345680, "1.2345678901234568e17"],
    [1e300, "1e300"],
    [-0, "-0.0"],
    [1.5, "1.5"],
    [1e-6, "1e-6"],
  ];
  for (const [value, text] of table) assertEquals(printNumber(value), text);
});

Deno.test("printFloat() and printNumber() lose nothing of any double (J-4)", () => {
  const random = new Random(seed());
  for (let round = 0; round < longCount(20_000, 2_000_000); round++) {
    const value = randomDouble(random);
    const float = printFloat(value);
    assertMatch(float, /[.e]/, float);
    assertEquals(JSON.parse(float), value, float);
    const number = printNumber(value);
    assertEquals(JSON.parse(number), value, number);
    assertEquals(parseJson(number), value, number);
  }
});
