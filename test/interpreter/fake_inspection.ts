/** A look at a made-up process: its variables are words of 8 bytes, type `long`. */
import { address, type Address } from "../../native/address.js";
import {
  EngineError,
  type CallRequest,
  type CallResult,
  type ChangeResult,
  type CType,
  type Entity,
  type Inspection,
  type MemoryChange,
  type MemoryRange,
  type Moment,
  type NameQuery,
  type ProcessInfo,
} from "../../native/engine.js";

/** Address of the first word of every fake process. */
export const wordsAt = 0x10000;

/** What of a fake process can be looked at. */
export interface InspectedProcess {
  readonly pid: number;
  readonly exe: string;
  readonly functions: readonly string[];
  words: Record<string, number>;
  readonly restless: readonly string[];
}

/** The world around it. */
export interface InspectedWorld {
  info(): ProcessInfo;
  isAlive(): boolean;
  record(call: string): void;
}

const long: CType = {
  kind: "integer",
  name: "long",
  size: 8,
  signed: true,
  encoding: "integer",
};

/** Functions of every fake process lie here, 16 bytes each; calling one returns its argument plus 1. */
const functionsAt = 0x400000;

export class FakeInspection implements Inspection {
  readonly hasTypes = true;

  constructor(
    private readonly world: InspectedWorld,
    private readonly target: InspectedProcess,
  ) {}

  get process(): ProcessInfo {
    return this.world.info();
  }

  get alive(): boolean {
    return this.world.isAlive();
  }

  entity({ name }: NameQuery): Entity {
    const index = Object.keys(this.target.words).indexOf(name);
    const place = { name, size: 8, source: "fake.c", module: this.target.exe };
    if (index >= 0) {
      const at = address(BigInt(wordsAt + 8 * index));
      return { ...place, kind: "variable", type: long, storage: { kind: "static", address: at } };
    }
    const found = this.target.functions.indexOf(name);
    if (found >= 0) {
      const type: CType = {
        kind: "function",
        result: long,
        parameters: [{ name: "x", type: long }],
        variadic: false,
        prototyped: true,
      };
      const at = address(BigInt(functionsAt + 16 * found));
      return { ...place, kind: "function", type, address: at };
    }
    throw new EngineError("NO_SUCH_NAME", "refused", `the program has no ${name}`, {
      subject: name,
      candidates: Object.keys(this.target.words),
    });
  }

  type(query: Parameters<Inspection["type"]>[0]): CType | null {
    return query.kind === "basic" && query.name === "long" ? long : null;
  }

  complete(): readonly string[] {
    return [];
  }

  symbolAt(): null {
    return null;
  }

  refresh(): void {}

  readSome(at: Address, length: number): Uint8Array {
    const offset = Number(at) - wordsAt;
    const memory = this.bytes();
    if (offset < 0 || offset >= memory.length) return new Uint8Array();
    return memory.subarray(offset, offset + length);
  }

  async readTogether(ranges: readonly MemoryRange[]): Promise<Moment> {
    const contents = ranges.map(({ address: at, length }) => {
      const bytes = this.readSome(at, length);
      return bytes.length === length ? bytes : null;
    });
    return { contents, held: true, heldUs: 0 };
  }

  async writeTogether(changes: readonly MemoryChange[]): Promise<ChangeResult> {
    const memory = this.bytes();
    const before: Uint8Array[] = [];
    const unexpected: number[] = [];
    changes.forEach(({ address: at, bytes, expected }, index) => {
      const offset = Number(at) - wordsAt;
      if (offset < 0 || offset + bytes.length > memory.length) {
        throw new EngineError("UNWRITABLE", "refused", `nothing can be written to ${at}`);
      }
      const now = Buffer.from(memory.subarray(offset, offset + bytes.length));
      before.push(now);
      if (expected !== undefined && Buffer.compare(now, expected) !== 0) unexpected.push(index);
    });
    if (unexpected.length > 0) return { written: false, before, unexpected, heldUs: 3 };
    for (const { address: at, bytes } of changes) memory.set(bytes, Number(at) - wordsAt);
    Object.keys(this.target.words).forEach((name, index) => {
      const value = Number(memory.readBigInt64LE(8 * index));
      const was = this.target.words[name];
      const changes = this.target.restless.includes(name) && value !== was;
      this.target.words[name] = changes ? value + 1000 : value;
    });
    this.world.record(`write ${this.target.pid} ${JSON.stringify(this.target.words)}`);
    return { written: true, before, unexpected: [], heldUs: 3 };
  }

  private bytes(): Buffer {
    const values = Object.values(this.target.words);
    const memory = Buffer.alloc(8 * values.length);
    values.forEach((value, index) => memory.writeBigInt64LE(BigInt(value), 8 * index));
    return memory;
  }

  async tlsAddress(): Promise<null> {
    return null;
  }

  threads(): ReturnType<Inspection["threads"]> {
    return [{ tid: this.target.pid, name: "main", state: "S", cpuTime: 0n }];
  }

  async stacks(): ReturnType<Inspection["stacks"]> {
    return [];
  }

  files(): ReturnType<Inspection["files"]> {
    return [];
  }

  maps(): ReturnType<Inspection["maps"]> {
    return [];
  }

  imports(): ReturnType<Inspection["imports"]> {
    return [];
  }

  memory(): ReturnType<Inspection["memory"]> {
    return { virtual: 0n, resident: 0n, data: 0n, swapped: 0n };
  }

  async children(): Promise<readonly ProcessInfo[]> {
    return [];
  }

  disk(): null {
    return null;
  }

  async call({ arguments: given }: CallRequest): Promise<CallResult> {
    const [first] = given;
    const value = first?.kind === "integer" ? first.value + 1n : 1n;
    this.world.record(`call ${this.target.pid} ${value}`);
    return {
      integers: [BigInt.asUintN(64, value), 0n],
      vector: new Uint8Array(16),
      tid: this.target.pid,
      heldUs: 5,
      locksMayBeHeld: [],
    };
  }
}
