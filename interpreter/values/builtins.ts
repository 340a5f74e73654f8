/** The built-in functions: what the kernel and the engine tell of the process, as values. */
import type { InvocationExpression } from "../../lang/ast.js";
import { builtins } from "../../lang/builtins.js";
import { address, formatAddress, type Address } from "../../native/address.js";
import type { ImportSlot, Inspection, ThreadStack } from "../../native/engine.js";
import { formatSize } from "./print.js";
import { boolType, integer, intType, longType, unsignedLongType, voidPointer } from "./c_types.js";
import type { CType } from "../../native/engine.js";
import type { Evaluation } from "./evaluation.js";
import { EvaluationError } from "./evaluation_error.js";
import { chain, linkedList } from "./linked_list.js";
import {
  textValue,
  type CValue,
  type ListValue,
  type Place,
  type RecordValue,
  type Value,
} from "./value.js";
import { describe, shown } from "./wording.js";

const mostBytes = 64n << 20n;

export class Builtins {
  constructor(private readonly evaluation: Evaluation) {}

  /** A built-in or, under any other name, a recipe. */
  invoke(node: InvocationExpression): Value {
    const { around, environment } = this.evaluation;
    if (!builtins.has(node.name.text)) {
      if (this.evaluation.typesOnly)
        return around.recipeType?.(node, environment) ?? this.number(0n);
      return around.memo.need(node, environment, () => around.recipe(node, environment), {
        hasEffect: true,
      });
    }
    switch (node.name.text) {
      case "now":
        return { kind: "duration", nanoseconds: process.hrtime.bigint() };
      case "list":
        return linkedList(this.evaluation, node);
      case "chain":
        return chain(this.evaluation, node);
      case "bytes":
        return this.bytes(node, "memory");
      case "disk":
        return this.bytes(node, "disk");
      case "threads":
        return this.once(node, (inspection) => this.threads(inspection));
      case "files":
        return this.once(node, (inspection) => this.files(inspection));
      case "maps":
        return this.once(node, (inspection) => this.maps(inspection));
      case "imports":
        return this.once(node, (inspection) => this.imports(inspection));
      case "memory":
        return this.once(node, (inspection) => this.memory(inspection));
      case "children":
        return this.once(node, (inspection) => this.children(inspection));
      default:
        return this.stack(node);
    }
  }

  // --- values ----------------------------------------------------------------------------------------

  private number(value: bigint, type: CType = longType): Value {
    return this.evaluation.made({ type, value });
  }

  private pointer(value: bigint): Value {
    return this.number(value, voidPointer);
  }

  private record(name: string, text: string, fields: Readonly<Record<string, Value>>): RecordValue {
    return { kind: "record", name, text, fields: new Map(Object.entries(fields)) };
  }

  /** Looked at once in an evaluation, so that `threads()` twice in it is the same list. */
  private once<T extends Value>(
    node: InvocationExpression,
    look: (inspection: Inspection) => T | Promise<T>,
  ): T | Value {
    const { inspection, memo } = this.evaluation.around;
    if (inspection === null || this.evaluation.typesOnly) return this.sample(node.name.text);
    return memo.need(node.name.text, "process", async () => look(inspection), { hasEffect: false });
  }

  /** For `check`: one element of each list, so that its members are known. */
  private sample(name: string): Value {
    const items = sampleOf(name, this);
    return name === "memory" ? items : { kind: "list", items: [items] };
  }

  thread(thread: { tid: number; name: string; state: string; cpuTime: bigint }): RecordValue {
    return this.record("thread", `thread ${thread.tid} "${thread.name}" ${thread.state}`, {
      tid: this.number(BigInt(thread.tid), intType),
      name: textValue(thread.name),
      state: textValue(thread.state),
      cpu: { kind: "duration", nanoseconds: thread.cpuTime },
    });
  }

  file(file: {
    fd: number;
    path: string;
    kind: string;
    position: bigint;
    flags: number;
  }): RecordValue {
    return this.record("file", `${file.fd}: ${file.path}`, {
      fd: this.number(BigInt(file.fd), intType),
      path: textValue(file.path),
      kind: textValue(file.kind),
      position: this.number(file.position),
      flags: this.number(BigInt(file.flags), intType),
    });
  }

  mapping(map: {
    start: bigint;
    end: bigint;
    permissions: string;
    offset: bigint;
    path: string;
    deleted: boolean;
    polus: boolean;
  }): RecordValue {
    const owner = map.polus ? "[polus]" : map.path;
    return this.record(
      "mapping",
      `${formatAddress(map.start)}-${formatAddress(map.end)} ${map.permissions} ${owner}`.trimEnd(),
      {
        start: this.pointer(map.start),
        end: this.pointer(map.end),
        size: { kind: "size", bytes: map.end - map.start },
        permissions: textValue(map.permissions),
        offset: this.number(map.offset, unsignedLongType),
        path: textValue(map.path),
        deleted: this.number(map.deleted ? 1n : 0n, boolType),
        polus: this.number(map.polus ? 1n : 0n, boolType),
        readable: this.number(map.permissions.includes("r") ? 1n : 0n, boolType),
        writable: this.number(map.permissions.includes("w") ? 1n : 0n, boolType),
        executable: this.number(map.permissions.includes("x") ? 1n : 0n, boolType),
      },
    );
  }

  importSlot(slot: ImportSlot): RecordValue {
    const name = slot.name === "" ? "?" : slot.name;
    return this.record("import", `${name} of ${slot.module} at ${formatAddress(slot.slot)}`, {
      name: textValue(slot.name),
      module: textValue(slot.module),
      slot: this.number(slot.slot, { kind: "pointer", target: voidPointer }),
      definition: this.pointer(slot.definition),
      library: textValue(slot.library ?? ""),
      indirect: this.number(slot.indirect ? 1n : 0n, boolType),
      lazy: this.pointer(slot.lazy ?? 0n),
    });
  }

  process(child: { pid: number; exe: string; user: number; threads: number }): RecordValue {
    return this.record("process", `process ${child.pid} ${child.exe}`, {
      pid: this.number(BigInt(child.pid), intType),
      exe: textValue(child.exe),
      user: this.number(BigInt(child.user), intType),
      threads: this.number(BigInt(child.threads), intType),
    });
  }

  frame(frame: {
    pc: bigint;
    function: string | null;
    offset: number | null;
    module: string | null;
  }): RecordValue {
    const where =
      frame.function === null ? (frame.module ?? "?") : `${frame.function}+${frame.offset ?? 0}`;
    return this.record("frame", `${formatAddress(frame.pc)} ${where}`, {
      pc: this.pointer(frame.pc),
      function: textValue(frame.function ?? ""),
      offset: this.number(BigInt(frame.offset ?? 0)),
      module: textValue(frame.module ?? ""),
    });
  }

  memoryUse(use: {
    virtual: bigint;
    resident: bigint;
    data: bigint;
    swapped: bigint;
  }): RecordValue {
    const size = (bytes: bigint): Value => ({ kind: "size", bytes });
    return this.record(
      "memory",
      `${formatSize(use.resident)} resident of ${formatSize(use.virtual)}`,
      {
        virtual: size(use.virtual),
        resident: size(use.resident),
        data: size(use.data),
        swapped: size(use.swapped),
      },
    );
  }

  private threads(inspection: Inspection): ListValue {
    return { kind: "list", items: inspection.threads().map((one) => this.thread(one)) };
  }

  private files(inspection: Inspection): ListValue {
    return { kind: "list", items: inspection.files().map((one) => this.file(one)) };
  }

  private maps(inspection: Inspection): ListValue {
    return { kind: "list", items: inspection.maps().map((one) => this.mapping(one)) };
  }

  private imports(inspection: Inspection): ListValue {
    return { kind: "list", items: inspection.imports().map((one) => this.importSlot(one)) };
  }

  private memory(inspection: Inspection): RecordValue {
    return this.memoryUse(inspection.memory());
  }

  private async children(inspection: Inspection): Promise<ListValue> {
    const children = await inspection.children();
    return { kind: "list", items: children.map((one) => this.process(one)) };
  }

  // --- stacks ------------------------------------------------------------------------------------------

  private stack(node: InvocationExpression): Value {
    const { inspection, memo } = this.evaluation.around;
    const [argument] = node.arguments;
    if (argument === undefined) throw new Error("`stack` was checked to have an argument");
    const value = this.evaluation.operand(argument);
    const field =
      value.kind === "record" && value.name === "thread" ? value.fields.get("tid") : value;
    if (field === undefined || field.kind !== "c")
      throw new EvaluationError(
        "wrong-argument",
        argument.span,
        `\`${shown(argument.span)}\` is ${describe(value)}, not a thread`,
        { suggestion: "give an element of threads(), or a thread id" },
      );
    const tid = Number(this.evaluation.scalar(field, argument.span).value);
    if (inspection === null || this.evaluation.typesOnly) return this.sample("stack");
    const stacks: readonly ThreadStack[] = memo.need(
      "stacks",
      "process",
      () => inspection.stacks(),
      {
        hasEffect: false,
      },
    );
    const found = stacks.find((one) => one.tid === tid);
    if (found === undefined) {
      // Threads come and go: one of `threads()` may have ended since. A mere number was never one.
      if (value.kind === "record") return { kind: "list", items: [] };
      throw new EvaluationError("wrong-argument", argument.span, `there is no thread ${tid}`);
    }
    return { kind: "list", items: found.frames.map((frame) => this.frame(frame)) };
  }

  // --- memory ------------------------------------------------------------------------------------------

  /** `bytes(address, n)` as a place that `set` can write. */
  bytesPlace(node: InvocationExpression): CValue & { readonly place: Place } {
    const { place, length } = this.range(node);
    const element = integer("unsigned char", 1, false);
    return {
      kind: "c",
      type: { kind: "array", element, count: length },
      place: { address: place, bits: null },
      bytes: null,
    };
  }

  private range(node: InvocationExpression): { readonly place: Address; readonly length: number } {
    const [at, count] = node.arguments;
    if (at === undefined || count === undefined) throw new Error("arguments were checked");
    const pointer = this.evaluation.scalar(this.evaluation.operand(at), at.span);
    const amount = this.evaluation.operand(count);
    const length = amount.kind === "size" ? amount.bytes : this.evaluation.integer(count);
    if (length < 0n || length > mostBytes)
      throw new EvaluationError(
        "too-large",
        count.span,
        `${length} bytes cannot be looked at: at least 0, at most ${formatSize(mostBytes)}`,
      );
    return {
      place: this.evaluation.address(BigInt(pointer.value), at.span),
      length: Number(length),
    };
  }

  private bytes(node: InvocationExpression, from: "memory" | "disk"): Value {
    const { place, length } = this.range(node);
    if (from === "memory" || this.evaluation.typesOnly)
      return { kind: "text", raw: true, bytes: this.evaluation.read(place, length, node.span) };
    const bytes = this.evaluation.around.inspection?.disk(place, length) ?? null;
    if (bytes === null)
      throw new EvaluationError(
        "wild-pointer",
        node.arguments[0]?.span ?? node.span,
        `no file is mapped at ${formatAddress(place)}`,
      );
    return { kind: "text", raw: true, bytes };
  }
}

/** What the elements of a built-in's list look like. */
function sampleOf(name: string, make: Builtins): RecordValue {
  switch (name) {
    case "threads":
      return make.thread({ tid: 1, name: "", state: "", cpuTime: 0n });
    case "files":
      return make.file({ fd: 0, path: "", kind: "", position: 0n, flags: 0 });
    case "maps":
      return make.mapping({
        start: 0n,
        end: 0n,
        permissions: "",
        offset: 0n,
        path: "",
        deleted: false,
        polus: false,
      });
    case "imports":
      return make.importSlot({
        name: "",
        module: "",
        slot: address(0n),
        definition: address(0n),
        library: "",
        indirect: false,
        lazy: null,
      });
    case "memory":
      return make.memoryUse({ virtual: 0n, resident: 0n, data: 0n, swapped: 0n });
    case "children":
      return make.process({ pid: 1, exe: "", user: 0, threads: 1 });
    default:
      return make.frame({ pc: 0n, function: null, offset: null, module: null });
  }
}
