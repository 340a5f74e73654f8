/** The record is read from a process that may be hostile: whatever it says, it is decoded or found damaged. */
import fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { DamagedRecord, decodeRecord, encodeRecord } from "../../native/record/codec.js";
import type {
  DataRecord,
  HookRecord,
  ItemRecord,
  RepairRecord,
  TargetRecord,
  UpdateRecord,
} from "../../native/record/record.js";

const bytes = (length: number): fc.Arbitrary<Buffer> =>
  fc.uint8Array({ minLength: length, maxLength: length }).map((array) => Buffer.from(array));
const address = fc.bigInt({ min: 0n, max: (1n << 47n) - 1n });
const digest = bytes(32).map((buffer) => buffer.toString("hex"));
const text = fc.string({ maxLength: 40 });
const level = fc.integer({ min: 0, max: 250 });
const plane = fc.integer({ min: 0, max: 255 });
const size = fc.nat();
const few = { maxLength: 4 };

/** An object as JSON.parse makes it. */
function object<T>(model: { [K in keyof T]: fc.Arbitrary<T[K]> }): fc.Arbitrary<T> {
  return fc.record<T>(model, { noNullPrototype: true });
}

const hook = (arenas: number): fc.Arbitrary<HookRecord> =>
  fc.option(address).chain((relay) =>
    object({
      arena: fc.nat({ max: arenas - 1 }),
      index: fc.nat({ max: 511 }),
      function: text,
      address,
      size,
      skipped: fc.nat({ max: 8 }),
      relay: fc.constant(relay),
      original: bytes(relay === null ? 5 : 2),
      jump: bytes(relay === null ? 5 : 2),
      unless: fc.option(fc.nat()),
      chain: fc.array(object({ number: level, target: address }), few),
      plane,
      planes: fc.array(plane, few),
    }),
  );

const repair = (patches: number): fc.Arbitrary<RepairRecord> =>
  fc.integer({ min: 1, max: 64 }).chain((length) =>
    object({
      patch: fc.nat({ max: patches - 1 }),
      taint: text,
      address,
      before: bytes(length),
      announced: fc.boolean(),
      after: bytes(length),
    }),
  );

const item: fc.Arbitrary<ItemRecord> = object({
  name: text,
  global: fc.option(object({ old: address, oldSize: size, new: address, newSize: size })),
  words: fc.array(address, few),
});

const data: fc.Arbitrary<DataRecord> = object({
  set: fc.option(fc.nat({ max: 63 })),
  items: fc.array(item, few),
});

const update = (hooks: number): fc.Arbitrary<UpdateRecord> =>
  fc.nat({ max: 4 }).chain((patches) => updateOf(hooks, patches));

const updateOf = (hooks: number, patches: number): fc.Arbitrary<UpdateRecord> =>
  object({
    name: text,
    description: text,
    scriptDigest: text,
    scope: fc.constantFrom("process" as const, "tree" as const),
    appliedAt: text,
    points: fc.array(object({ name: text, position: fc.nat({ max: 100 }) }), few),
    patches: fc.array(
      object({
        name: text,
        digest,
        level: fc.option(level),
        functions:
          hooks === 0
            ? fc.constant([])
            : fc.array(object({ hook: fc.nat({ max: hooks - 1 }), target: address, size }), few),
        data: fc.option(data),
      }),
      { minLength: patches, maxLength: patches },
    ),
    repairs: patches === 0 ? fc.constant([]) : fc.array(repair(patches), few),
    run: object({
      id: text,
      finished: fc.boolean(),
      injector: fc.nat(),
      injectorStart: fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }),
      before: level,
    }),
  });

const record: fc.Arbitrary<TargetRecord> = fc.nat({ max: 3 }).chain((arenas) =>
  fc.nat({ max: arenas === 0 ? 0 : 5 }).chain((hooks) =>
    object({
      arenas: fc.array(
        object({
          module: text,
          moduleStart: address,
          base: address.map((value) => value & ~0xffffffn),
          planes: fc.array(plane, few),
        }),
        { minLength: arenas, maxLength: arenas },
      ),
      hooks: fc.array(hook(Math.max(arenas, 1)), { minLength: hooks, maxLength: hooks }),
      images: fc.array(
        object({ digest, base: address, size: address, previous: fc.array(address, few) }),
        few,
      ),
      updates: fc.array(update(hooks), few),
      pending: fc.option(object({ id: text, selector: level, update: text, point: text })),
      runtime: fc.option(
        object({ digest, symbols: fc.array(object({ name: text, address }), few) }),
      ),
    }),
  ),
);

/** Decodes, or returns null for what is found damaged; anything else that is thrown comes out. */
function decoded(json: Buffer): TargetRecord | null {
  try {
    return decodeRecord(json);
  } catch (error) {
    if (error instanceof DamagedRecord) return null;
    throw error;
  }
}

test("every record comes back as it was", () => {
  fc.assert(
    fc.property(record, (given) => {
      assert.equal(decodeRecord(encodeRecord(given)), given);
    }),
    { numRuns: 500 },
  );
});

test("changed bytes are decoded or found damaged", () => {
  const change = object({
    place: fc.nat(),
    value: fc.nat({ max: 255 }),
    cut: fc.nat({ max: 30 }),
  });
  let damaged = 0;
  fc.assert(
    fc.property(record, fc.array(change, { minLength: 1, maxLength: 4 }), (given, changes) => {
      let json = Buffer.from(encodeRecord(given));
      for (const { place, value, cut } of changes) {
        if (json.length === 0) break;
        json[place % json.length] = value;
        if (cut === 0) json = json.subarray(0, place % json.length);
      }
      if (decoded(json) === null) damaged += 1;
    }),
    { numRuns: 3000 },
  );
  assert.ok(damaged > 300, `only ${damaged} were found damaged`);
});

test("changed values are decoded, to something that can be written again, or found damaged", () => {
  const foreign = fc.oneof(
    fc.jsonValue({ maxDepth: 2 }),
    fc.constantFrom(-1, 1e300, 0.5, 2 ** 53, "ffffffffffffffff", "800000000000", "", null, [], {}),
  );
  let damaged = 0;
  let kept = 0;
  fc.assert(
    fc.property(record, foreign, fc.nat(), (given, value, place) => {
      const json: unknown = JSON.parse(encodeRecord(given).toString("utf8"));
      const changed = withValue(json, value, { left: place % (countValues(json) + 1) });
      const back = decoded(Buffer.from(JSON.stringify(changed) ?? "null"));
      if (back === null) {
        damaged += 1;
        return;
      }
      kept += 1;
      assert.equal(decodeRecord(encodeRecord(back)), back);
    }),
    { numRuns: 3000 },
  );
  assert.ok(damaged > 300 && kept > 30, `${damaged} damaged, ${kept} not`);
});

test("what is no record at all is found damaged", () => {
  const hostile = [
    "",
    "null",
    "[]",
    '{"format":2}',
    '{"__proto__":{"format":2}}',
    `{"format":2,"arenas":${"[".repeat(5000)}${"]".repeat(5000)}}`,
    `{"format":2,"arenas":[${"0,".repeat(200_000)}0]}`,
    "\xff\xfe",
  ];
  for (const json of hostile)
    assert.is(decoded(Buffer.from(json, "latin1")), null, json.slice(0, 40));
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (array) => {
      assert.is(decoded(Buffer.from(array)), null);
    }),
    { numRuns: 500 },
  );
});

function isContainer(value: unknown): value is unknown[] | Record<string, unknown> {
  return typeof value === "object" && value !== null;
}

function countValues(value: unknown): number {
  if (!isContainer(value)) return 1;
  return 1 + Object.values(value).reduce((sum: number, one) => sum + countValues(one), 0);
}

/** A copy in which the value that is met after `left` others is another. */
function withValue(value: unknown, other: unknown, count: { left: number }): unknown {
  if (count.left-- === 0) return other;
  if (Array.isArray(value)) return value.map((one: unknown) => withValue(one, other, count));
  if (!isContainer(value)) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, one]) => [name, withValue(one, other, count)]),
  );
}

test.run();
