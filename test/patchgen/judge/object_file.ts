/**
 * Relocatable ELF files for x86-64 as far as a judge of detection needs them, read without anything
 * of what it judges (System V gABI "Object Files"; x86-64 psABI "Relocation Types").
 */

export interface Section {
  readonly name: string;
  readonly type: number;
  readonly flags: number;
  readonly link: number;
  readonly info: number;
  readonly bytes: Buffer;
  readonly size: number;
}

export interface ObjectSymbol {
  readonly name: string;
  readonly type: number;
  readonly local: boolean;
  readonly section: number;
  readonly value: number;
  readonly size: number;
}

export interface Relocation {
  readonly offset: number;
  readonly type: number;
  readonly symbol: ObjectSymbol;
  readonly addend: number;
}

export interface ObjectFile {
  readonly sections: readonly Section[];
  readonly symbols: readonly ObjectSymbol[];
  /** By number of the section that they change. */
  readonly relocations: ReadonlyMap<number, readonly Relocation[]>;
}

const symbolTable = 2;
const relocationsWithAddends = 4;
const noBits = 8;

function text(bytes: Buffer, at: number): string {
  const end = bytes.indexOf(0, at);
  return bytes.toString("latin1", at, end < 0 ? bytes.length : end);
}

export function readObject(file: Buffer): ObjectFile {
  const count = file.readUInt16LE(60);
  const headers = Number(file.readBigUInt64LE(40));
  const raw = Array.from({ length: count }, (_, index) => {
    const at = headers + index * 64;
    const offset = Number(file.readBigUInt64LE(at + 24));
    const size = Number(file.readBigUInt64LE(at + 32));
    const type = file.readUInt32LE(at + 4);
    return {
      nameAt: file.readUInt32LE(at),
      type,
      flags: Number(file.readBigUInt64LE(at + 8)),
      link: file.readUInt32LE(at + 40),
      info: file.readUInt32LE(at + 44),
      size,
      bytes: type === noBits ? Buffer.alloc(0) : file.subarray(offset, offset + size),
    };
  });
  const names = raw[file.readUInt16LE(62)]?.bytes ?? Buffer.alloc(0);
  const sections = raw.map(({ nameAt, ...section }) => ({ ...section, name: text(names, nameAt) }));
  const symbols = readSymbols(sections);
  const relocations = new Map<number, readonly Relocation[]>();
  for (const section of sections) {
    if (section.type !== relocationsWithAddends) continue;
    relocations.set(section.info, readRelocations(section.bytes, symbols));
  }
  return { sections, symbols, relocations };
}

function readSymbols(sections: readonly Section[]): readonly ObjectSymbol[] {
  const table = sections.find((section) => section.type === symbolTable);
  if (table === undefined) return [];
  const strings = sections[table.link]?.bytes ?? Buffer.alloc(0);
  return Array.from({ length: table.size / 24 }, (_, index) => {
    const at = index * 24;
    const info = table.bytes.readUInt8(at + 4);
    return {
      name: text(strings, table.bytes.readUInt32LE(at)),
      type: info & 15,
      local: info >> 4 === 0,
      section: table.bytes.readUInt16LE(at + 6),
      value: Number(table.bytes.readBigUInt64LE(at + 8)),
      size: Number(table.bytes.readBigUInt64LE(at + 16)),
    };
  });
}

function readRelocations(bytes: Buffer, symbols: readonly ObjectSymbol[]): readonly Relocation[] {
  return Array.from({ length: bytes.length / 24 }, (_, index) => {
    const at = index * 24;
    const symbol = symbols[bytes.readUInt32LE(at + 12)];
    if (symbol === undefined) throw new Error("relocation without symbol");
    return {
      offset: Number(bytes.readBigUInt64LE(at)),
      type: bytes.readUInt32LE(at + 8),
      symbol,
      addend: Number(bytes.readBigInt64LE(at + 16)),
    };
  });
}
