/** `each` functions: from the program's variables to all objects of a type, by its pointers. */
import type { Changes } from "./changes.js";
import { identifier, type Item } from "./items.js";
import { elementOf, type Records, type Shape } from "./shapes.js";

/** A way from an object to others: an expression of a pointer behind `o`, with its loops. */
interface Step {
  readonly loops: readonly number[];
  readonly path: string;
  /** Record that the pointer leads to. */
  readonly to: string;
}

/** Pointers to carried records in an object of this type. */
function stepsOf(
  shape: Shape,
  path: string,
  old: Records,
  changes: Changes,
  loops: readonly number[],
): readonly Step[] {
  if (loops.length + path.length > 400) return [];
  const { element, counts } = elementOf(shape);
  const known = counts.map((count) => count ?? 0);
  const indices = known.map((_, at) => `[i${loops.length + at}]`).join("");
  const inner = path + indices;
  const all = [...loops, ...known];
  if (element.kind === "pointer") {
    const { target } = element;
    const isObject = target.kind === "record" && changes.records.has(target.name);
    return isObject ? [{ loops: all, path: inner, to: target.name }] : [];
  }
  if (element.kind !== "record") return [];
  const record = old.get(element.name);
  if (record === undefined || record.union || record.overlapping) return [];
  if (!changes.records.has(record.name)) return [];
  return record.members.flatMap((member) =>
    member.bits === null ? stepsOf(member.shape, `${inner}.${member.name}`, old, changes, all) : [],
  );
}

export class Roots {
  private readonly variables: readonly Item[];
  private readonly reached = new Map<string, readonly Step[]>();

  constructor(
    items: readonly Item[],
    private readonly old: Records,
    private readonly changes: Changes,
  ) {
    this.variables = items.filter(({ kind }) => kind === "global");
    const queue = this.variables.flatMap(({ old: shape }) => stepsOf(shape, "", old, changes, []));
    for (let step = queue.pop(); step !== undefined; step = queue.pop()) {
      if (this.reached.has(step.to)) continue;
      const steps = stepsOf({ kind: "record", name: step.to }, "", old, changes, []);
      this.reached.set(step.to, steps);
      queue.push(...steps);
    }
  }

  /** Whether objects of this record are found from the program's variables. */
  reaches(record: string): boolean {
    return this.reached.has(record);
  }

  /** Variables from which anything is reached. */
  roots(): readonly string[] {
    return this.variables
      .filter(({ old: shape }) => stepsOf(shape, "", this.old, this.changes, []).length > 0)
      .map(({ title }) => title);
  }

  /**
   * The walk over all objects that are reached.
   * @param typeOf C's name of a record of the old version
   * @param baseOf how the patch calls the old copy of a variable, as an array of bytes
   * @param declare a declaration of the old version's type
   * @param lock what stands before the walk where other threads may change what it reads
   */
  text(
    typeOf: (record: string) => string,
    baseOf: (item: Item) => string,
    declare: (shape: Shape, declarator: string) => string,
    lock: readonly string[],
  ): string {
    const kinds = [...this.reached.keys()];
    const number = (name: string): number => kinds.indexOf(name);
    const cases = kinds.flatMap((name) => {
      const steps = this.reached.get(name) ?? [];
      if (steps.length === 0) return [];
      return [
        `      case ${number(name)}: {`,
        `        const ${typeOf(name)} *o = found.object;`,
        ...steps.flatMap((step) =>
          pushes(`o->${step.path.slice(1)}`, step, number(step.to)).map(
            (line) => `        ${line}`,
          ),
        ),
        "        break;",
        "      }",
      ];
    });
    const starts = this.variables.flatMap((item) => {
      const steps = stepsOf(item.old, "", this.old, this.changes, []);
      if (steps.length === 0) return [];
      return [
        "  {",
        `    const ${declare(item.old, `(*o)`)} = (const void *)${baseOf(item)};`,
        ...steps.flatMap((step) =>
          pushes(`(*o)${step.path}`, step, number(step.to)).map((line) => `    ${line}`),
        ),
        "  }",
      ];
    });
    const variables = this.variables.map(
      (item) => `    {${baseOf(item)}, ${item.variable?.was.size ?? 0}},`,
    );
    return [
      "/* Objects that the walk has found; each is looked at once. */",
      "struct found { const void *object; int kind; };",
      "struct walk { struct found *all; size_t count, room; size_t *table; };",
      "",
      "static int walk_grow(struct walk *w) {",
      "  size_t room = w->room == 0 ? 256 : w->room * 2;",
      "  struct found *all = polus_allocate(room * sizeof *all);",
      "  size_t *table = polus_allocate(2 * room * sizeof *table);",
      "  if (all == NULL || table == NULL) return 0;",
      "  for (size_t i = 0; i < w->count; i++) {",
      "    size_t at = (size_t)w->all[i].object / 16 % (2 * room);",
      "    all[i] = w->all[i];",
      "    while (table[at] != 0) at = (at + 1) % (2 * room);",
      "    table[at] = i + 1;",
      "  }",
      "  polus_release(w->all);",
      "  polus_release(w->table);",
      "  *w = (struct walk){all, w->count, room, table};",
      "  return 1;",
      "}",
      "",
      "/* What lies within a variable is carried over with it. */",
      "static int is_in_variable(const char *at) {",
      "  static const struct { const char *start; size_t size; } variables[] = {",
      ...(variables.length === 0 ? ["    {0, 0},"] : variables),
      "  };",
      "  for (size_t i = 0; i < sizeof variables / sizeof *variables; i++) {",
      "    if (at >= variables[i].start && at < variables[i].start + variables[i].size) return 1;",
      "  }",
      "  return 0;",
      "}",
      "",
      "static void walk_to(struct walk *w, const void *object, int kind) {",
      "  if (object == NULL || is_in_variable(object)) return;",
      "  if (w->count == w->room && !walk_grow(w)) return;",
      "  size_t at = (size_t)object / 16 % (2 * w->room);",
      "  for (; w->table[at] != 0; at = (at + 1) % (2 * w->room)) {",
      "    const struct found *one = &w->all[w->table[at] - 1];",
      "    if (one->object == object && one->kind == kind) return;",
      "  }",
      "  w->all[w->count] = (struct found){object, kind};",
      "  w->table[at] = ++w->count;",
      "}",
      "",
      "static void walk(int kind, void (*visit)(void *object, void *context), void *context) {",
      "  struct walk w = {0};",
      ...lock.map((line) => `  ${line}`),
      ...starts,
      "  for (size_t i = 0; i < w.count; i++) {",
      "    const struct found found = w.all[i];",
      "    if (found.kind == kind) visit((void *)found.object, context);",
      "    switch (found.kind) {",
      ...cases,
      "    }",
      "  }",
      "  polus_release(w.all);",
      "  polus_release(w.table);",
      "}",
      "",
      ...kinds.map((name) =>
        [
          `void ${eachName(name)}(void (*visit)(void *object, void *context), void *context) {`,
          `  walk(${number(name)}, visit, context);`,
          "}",
          "",
        ].join("\n"),
      ),
    ].join("\n");
  }
}

/** Name of the `each` function of a record. */
export function eachName(record: string): string {
  return `polus_each_${identifier(record)}`;
}

function pushes(expression: string, { loops }: Step, kind: number): readonly string[] {
  const heads = loops.map((count, at) => `for (int i${at} = 0; i${at} < ${count}; i${at}++) `);
  return [`${heads.join("")}walk_to(&w, ${expression}, ${kind});`];
}
