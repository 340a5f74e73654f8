/** A typed look at one process of a session: its names by the modules, its state by the kernel. */
import { addon, type TracerHandle } from "../addon/addon.js";
import type { Address } from "../address.js";
import type { CType } from "../ctypes.js";
import type { ProcessInfo, ThreadStack } from "../engine.js";
import type {
  CallRequest,
  CallResult,
  ChangeResult,
  Entity,
  ImportSlot,
  Inspection,
  MappingInfo,
  MemoryChange,
  MemoryRange,
  MemoryUse,
  Moment,
  NameQuery,
  OpenFile,
  SymbolPlace,
  ThreadInfo,
  TypeQuery,
  Variable,
} from "../inspection.js";
import { processInfo } from "../process/process_info.js";
import { stacksOf } from "../session/active_frames.js";
import type { TargetProcess } from "../session/target_process.js";
import { callFunction } from "./call.js";
import { childProcesses } from "./children.js";
import { diskBytes } from "./disk.js";
import { filesOf } from "./files.js";
import { importsOf } from "./imports.js";
import { mapsOf } from "./maps.js";
import { memoryUse } from "./memory.js";
import { readTogether, writeTogether } from "./moment.js";
import { ModuleNames } from "./names.js";
import { symbolAt } from "./symbol_places.js";
import { tlsAddressOf } from "./thread_local.js";
import { threadsOf } from "./threads.js";

/** Runs work with the session's tracer, which is let go when the work ends. */
export type WithTracer = <T>(work: (tracer: TracerHandle) => Promise<T>) => Promise<T>;

export class ProcessInspection implements Inspection {
  private readonly names: ModuleNames;

  constructor(
    private readonly target: TargetProcess,
    private readonly withTracer: WithTracer,
  ) {
    this.names = new ModuleNames(() => target.modules, target.indirect);
  }

  get process(): ProcessInfo {
    return processInfo(this.target.pid);
  }

  get alive(): boolean {
    return this.target.alive;
  }

  refresh(): void {
    this.target.forgetModules();
    this.names.refresh();
  }

  // Names and types

  get hasTypes(): boolean {
    return this.names.hasTypes;
  }

  entity(query: NameQuery): Entity {
    return this.names.entity(query);
  }

  type(query: TypeQuery): CType | null {
    return this.names.type(query);
  }

  complete(
    kind: "variable" | "function" | "type" | "source",
    prefix: string,
    limit: number,
  ): readonly string[] {
    return this.names.complete(kind, prefix, limit);
  }

  symbolAt(at: Address): SymbolPlace | null {
    return symbolAt(this.target, at);
  }

  tlsAddress(variable: Variable, tid: number): Promise<Address | null> {
    return this.withTracer((tracer) => tlsAddressOf(tracer, this.target, variable, tid));
  }

  disk(at: Address, length: number): Uint8Array | null {
    return diskBytes(this.target, at, length);
  }

  // Memory

  readSome(at: Address, length: number): Uint8Array {
    return addon.readMemorySome(this.target.handle, at, length);
  }

  readTogether(ranges: readonly MemoryRange[]): Promise<Moment> {
    return this.withTracer((tracer) => readTogether(tracer, this.target, ranges));
  }

  writeTogether(changes: readonly MemoryChange[]): Promise<ChangeResult> {
    return this.withTracer((tracer) => writeTogether(tracer, this.target, changes));
  }

  // What the kernel tells of the process

  threads(): readonly ThreadInfo[] {
    return threadsOf(this.target.pid);
  }

  stacks(): Promise<readonly ThreadStack[]> {
    return this.withTracer((tracer) => stacksOf(tracer, this.target));
  }

  files(): readonly OpenFile[] {
    return filesOf(this.target.pid);
  }

  maps(): readonly MappingInfo[] {
    return mapsOf(this.target);
  }

  imports(): readonly ImportSlot[] {
    return importsOf(this.target);
  }

  memory(): MemoryUse {
    return memoryUse(this.target.pid);
  }

  async children(): Promise<readonly ProcessInfo[]> {
    return childProcesses(this.target.pid);
  }

  // Calls

  call(request: CallRequest): Promise<CallResult> {
    return this.withTracer((tracer) => callFunction(tracer, this.target, request));
  }
}
