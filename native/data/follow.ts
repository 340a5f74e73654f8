/**
 * `on new` and `on free`: functions that create or destroy objects of a data item go through a few
 * instructions of ours, which make each object known to the runtime, or forget it. Such functions return
 * and take old copies, in whatever version: their callers may be of either.
 *
 *     0      code
 *     0x60   the item's number, -1 while there is none
 *     0x68   the function itself, as it was before or as the update has it
 *     0x70   the runtime's function
 *
 * The words lie among code that the target can only read; the engine writes them.
 */
import { EngineError, type FunctionEntity } from "../engine.js";

export const cellSize = 128n;
const itemAt = 0x60;
const functionAt = 0x68;
const runtimeAt = 0x70;
const registersForIntegers = 6;

/** Where the number of the item stands in a cell. */
export function itemWord(cell: bigint): bigint {
  return cell + BigInt(itemAt);
}

/** Where a cell holds the address of the function that it goes on to. */
export function functionWord(cell: bigint): bigint {
  return cell + BigInt(functionAt);
}

/** What an item's word holds. @param number `null`: there is no item */
export function itemBytes(number: number | null): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigInt64LE(BigInt(number ?? -1));
  return bytes;
}

export interface CellWords {
  /** Of the function that the cell stands before. */
  readonly target: bigint;
  /** Of the runtime's function that it calls. */
  readonly runtime: bigint;
  /** Number of the item, `null`: none yet. */
  readonly item: number | null;
}

class Cell {
  private readonly bytes = Buffer.alloc(Number(cellSize), 0xcc);
  private length = 0;

  constructor({ target, runtime, item }: CellWords) {
    itemBytes(item).copy(this.bytes, itemAt);
    this.bytes.writeBigUInt64LE(target, functionAt);
    this.bytes.writeBigUInt64LE(runtime, runtimeAt);
  }

  code(...bytes: readonly number[]): this {
    Buffer.from(bytes).copy(this.bytes, this.length);
    this.length += bytes.length;
    return this;
  }

  /** An instruction whose operand is a word of the cell. */
  word(opcode: readonly number[], at: number): this {
    this.code(...opcode);
    this.bytes.writeInt32LE(at - (this.length + 4), this.length);
    this.length += 4;
    return this;
  }

  finish(): Buffer {
    if (this.length > itemAt) throw new Error("the code reaches into the words");
    return this.bytes;
  }
}

/** Calls the function, and polus_runtime_add with what it returns. */
export function newCell(words: CellWords): Buffer {
  return new Cell(words)
    .code(0x48, 0x83, 0xec, 0x08) // sub $8,%rsp
    .word([0xff, 0x15], functionAt) // call *function(%rip)
    .code(0x48, 0x89, 0x04, 0x24) // mov %rax,(%rsp)
    .word([0x48, 0x8b, 0x3d], itemAt) // mov item(%rip),%rdi
    .code(0x48, 0x89, 0xc6) // mov %rax,%rsi
    .word([0xff, 0x15], runtimeAt) // call *runtime(%rip)
    .code(0x48, 0x8b, 0x04, 0x24) // mov (%rsp),%rax
    .code(0x48, 0x83, 0xc4, 0x08, 0xc3) // add $8,%rsp; ret
    .finish();
}

/** Calls polus_runtime_disown with the first argument, then goes on to the function with what that returns. */
export function freeCell(words: CellWords): Buffer {
  return new Cell(words)
    .code(0x57, 0x56, 0x52, 0x51, 0x41, 0x50, 0x41, 0x51, 0x50) // push rdi rsi rdx rcx r8 r9 rax
    .word([0xff, 0x15], runtimeAt) // call *runtime(%rip)
    .code(0x49, 0x89, 0xc3) // mov %rax,%r11
    .code(0x58, 0x41, 0x59, 0x41, 0x58, 0x59, 0x5a, 0x5e, 0x5f) // pop them
    .code(0x4c, 0x89, 0xdf) // mov %r11,%rdi
    .word([0xff, 0x25], functionAt) // jmp *function(%rip)
    .finish();
}

/**
 * A function that creates objects is called from a frame of ours: its arguments must be in registers.
 * @throws EngineError refused DATA_NOT_FOLLOWED
 */
export function checkCreator({ name, type }: FunctionEntity): void {
  if (type?.kind !== "function") return; // no debug information: the script's word is all there is
  const refuse = (why: string): EngineError =>
    new EngineError(
      "DATA_NOT_FOLLOWED",
      "refused",
      `objects that ${name} creates cannot be followed: ${why}`,
      { subject: name, help: "name a function that returns the object and takes simple arguments" },
    );
  if (type.result.kind === "void") throw refuse("it returns nothing");
  if (type.variadic) throw refuse("it takes any number of arguments");
  const large = type.parameters.some(({ type: t }) => {
    const plain = t.kind === "typedef" || t.kind === "qualified" ? t.type : t;
    return plain.kind === "struct" && (plain.size ?? 0) > 16;
  });
  if (large || type.parameters.length > registersForIntegers)
    throw refuse("not all of its arguments are passed in registers");
}
