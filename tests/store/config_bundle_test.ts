import { assert, assertEquals, assertThrows } from "@std/assert";
import {
  checkConfigBundle,
  checkRequestConfig,
  computeConfigBundleDigest,
  configBundleAvailability,
} from "../../store/config_bundle.ts";
import { RuntimeStoreError, type RuntimeStoreErrorKind } from "../../store/runtime_store_error.ts";
import type { ConfigBundle, ConfigBundleMetadata, ProfileSelector } from "../../store/types.ts";
import { goldenRuntime } from "./_golden.ts";

const GOLDEN_DIGEST = "8c48f61515c36d4455462ca9def2425e5b774297b159dda69abf46a530888bd3";

function goldenBundle(): ConfigBundle {
  return goldenRuntime().config_bundles["bundle-1"]!;
}

/** The golden bundle with some metadata changed, and the digest that goes with it. */
function bundleWith(changes: Partial<ConfigBundleMetadata>): ConfigBundle {
  const bundle = goldenBundle();
  bundle.metadata = { ...bundle.metadata, ...changes };
  if (changes.digest === undefined) bundle.metadata.digest = computeConfigBundleDigest(bundle);
  return bundle;
}

function refusal(check: () => unknown, kind: RuntimeStoreErrorKind): RuntimeStoreError {
  const error = assertThrows(check, RuntimeStoreError);
  assertEquals(error.kind, kind, error.message);
  return error;
}

Deno.test("computeConfigBundleDigest() gives the golden digest, in whatever order things stand (WRT-15)", () => {
  assertEquals(computeConfigBundleDigest(goldenBundle()), GOLDEN_DIGEST);
  const bundle = goldenBundle();
  bundle.profiles!.push({ selector: { kind: "runtime_default" } });
  bundle.profiles!.push({ selector: { kind: "named", value: "x" } });
  const digest = computeConfigBundleDigest(bundle);
  bundle.profiles!.reverse();
  assertEquals(computeConfigBundleDigest(bundle), digest);
  delete bundle.metadata.provenance.detail;
  assert(computeConfigBundleDigest(bundle) !== digest);
  const empty = { ...bundle, profiles: [], declarations: [] };
  const { metadata } = empty;
  assertEquals(computeConfigBundleDigest(empty), computeConfigBundleDigest({ metadata }));
});

Deno.test("checkConfigBundle() returns a copy without empty lists (WRT-9)", () => {
  const { metadata } = goldenBundle();
  const bundle = { metadata, profiles: [], declarations: [] };
  metadata.digest = computeConfigBundleDigest(bundle);
  const checked = checkConfigBundle(bundle);
  metadata.revision = "changed later";
  assertEquals(Object.keys(checked), ["metadata"]);
  assertEquals(checked.metadata.revision, "rev-1");
});

Deno.test("checkConfigBundle() refuses blank fields in the seed's order (WRT-16)", () => {
  const blank = {
    id: " ",
    digest: "",
    revision: "",
    workspace_id: "\t",
    created_at: "",
    provenance: { source: " " },
  };
  const order = ["id", "digest", "revision", "workspace_id", "created_at", "provenance"] as const;
  const named = ["id", "digest", "revision", "workspace id", "created_at", "provenance source"];
  const metadata: ConfigBundleMetadata = { ...goldenBundle().metadata };
  for (const field of order.toReversed()) {
    Object.assign(metadata, { [field]: blank[field] });
    const error = refusal(() => checkConfigBundle({ metadata }), "invalid-request");
    const name = named[order.indexOf(field)];
    assertEquals(error.message, `invalid request: config bundle ${name} must not be empty`);
  }
});

Deno.test("checkConfigBundle() refuses places on one machine (WRT-16)", () => {
  const places = ["/etc", "~/x", "a/.cache/b", "a\\.cache", "x/run/y", "a.sock", "socket=1"];
  for (const revision of [...places, "\\run\\", "my_session_path", "cache_path"]) {
    const error = refusal(() => checkConfigBundle(bundleWith({ revision })), "invalid-request");
    assertEquals(
      error.message,
      "invalid request: config bundle revision must be a stable ref/grant/policy declaration, " +
        "not a host-local path",
    );
  }
  const large = bundleWith({ workspace_id: "x".repeat(2049) });
  const error = refusal(() => checkConfigBundle(large), "invalid-request");
  assertEquals(error.message, "invalid request: config bundle workspace id is too large");
  checkConfigBundle(bundleWith({ workspace_id: "x".repeat(2048), revision: " a \n" }));
});

Deno.test("checkConfigBundle() refuses another content than the digest's (WRT-16)", () => {
  const bundle = bundleWith({ digest: "abc" });
  const error = refusal(() => checkConfigBundle(bundle), "config-bundle-digest-mismatch");
  assertEquals(
    error.message,
    `config bundle \`bundle-1\` digest mismatch: expected abc, got ${GOLDEN_DIGEST}`,
  );
  assertEquals([error.details.expected, error.details.actual], ["abc", GOLDEN_DIGEST]);
});

Deno.test("checkConfigBundle() refuses profiles and declarations that nobody could use (WRT-16)", () => {
  const bundle = goldenBundle();
  bundle.declarations!.push({ kind: "unsupported", name: "gpu", reference: "x" });
  bundle.metadata.digest = computeConfigBundleDigest(bundle);
  const unsupported = refusal(() => checkConfigBundle(bundle), "unsupported-config-declaration");
  assertEquals(
    unsupported.message,
    "config bundle `bundle-1` contains unsupported declaration `unsupported` named `gpu`",
  );
  bundle.profiles!.push({ selector: { kind: "named", value: " " } });
  bundle.metadata.digest = computeConfigBundleDigest(bundle);
  refusal(() => checkConfigBundle(bundle), "invalid-profile-selector");
});

Deno.test("checkConfigBundle() refuses what is no bundle, and what it would not obey", () => {
  const bundle = goldenBundle();
  const odd = [
    null,
    {},
    { ...bundle, profile: [] },
    { ...bundle, profiles: [{ selector: { kind: "odd" } }] },
    { metadata: { ...bundle.metadata, id: "\ud800" } },
  ];
  for (const given of odd) {
    refusal(() => checkConfigBundle(given as ConfigBundle), "invalid-request");
  }
});

Deno.test("checkRequestConfig() checks the bundle, then the profile (WRT-11)", () => {
  const builtin: ProfileSelector = { kind: "builtin", value: "builtin:coder" };
  const find = (id: string) => id === "bundle-1" ? goldenBundle() : undefined;
  function check(id: string, digest: string, profile: ProfileSelector = builtin): () => void {
    const request = { intent: { kind: "assistant" }, profile } as const;
    return () => checkRequestConfig({ ...request, config_bundle: { id, digest } }, find);
  }
  check("bundle-1", GOLDEN_DIGEST)();
  refusal(check(" ", GOLDEN_DIGEST), "invalid-request");
  refusal(check("bundle-1", ""), "invalid-request");
  const missing = refusal(check("bundle-2", GOLDEN_DIGEST), "config-bundle-missing");
  assertEquals(missing.message, "config bundle `bundle-2` was not found");
  const other = refusal(check("bundle-1", "abc"), "config-bundle-digest-mismatch");
  assertEquals([other.details.expected, other.details.actual], ["abc", GOLDEN_DIGEST]);
  const profile = refusal(
    check("bundle-1", GOLDEN_DIGEST, { kind: "named", value: "x" }),
    "invalid-profile-selector",
  );
  assertEquals(
    profile.message,
    'invalid profile selector `x` for config bundle Some("bundle-1"): ' +
      "profile selector is not declared by synced config bundle",
  );
});

Deno.test("checkRequestConfig() allows the runtime's own profiles without a bundle (WRT-11)", () => {
  function check(profile: ProfileSelector): () => void {
    return () => checkRequestConfig({ intent: { kind: "assistant" }, profile }, () => undefined);
  }
  check({ kind: "runtime_default" })();
  check({ kind: "builtin", value: "x" })();
  refusal(check({ kind: "builtin", value: "/etc" }), "invalid-profile-selector");
  refusal(check({ kind: "builtin", value: " " }), "invalid-profile-selector");
  const named = refusal(check({ kind: "named", value: "x" }), "invalid-profile-selector");
  assertEquals(
    named.message,
    "invalid profile selector `x` for config bundle None: " +
      "named profiles require a synced config bundle reference",
  );
});

Deno.test("configBundleAvailability() answers with reference and summary", () => {
  const { metadata } = goldenBundle();
  assertEquals(configBundleAvailability(goldenBundle()), {
    reference: { id: "bundle-1", digest: GOLDEN_DIGEST },
    summary: {
      id: "bundle-1",
      digest: GOLDEN_DIGEST,
      digest_algorithm: "sha256",
      revision: metadata.revision,
      workspace_id: metadata.workspace_id,
      created_at: metadata.created_at,
      provenance: metadata.provenance,
      profile_count: 1,
      declaration_count: 1,
    },
  });
});
