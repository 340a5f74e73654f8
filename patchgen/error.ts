/** How the patch constructor says that it cannot go on. */
import { EngineError } from "../native/engine.js";

export type PatchgenErrorCode =
  | "NO_SUCH_TREE"
  | "NO_COMPILE_COMMANDS"
  | "BAD_COMPILE_COMMANDS"
  | "BUILD_FAILED"
  | "NOTHING_COMPILED"
  | "NO_COMPILER"
  | "DOES_NOT_COMPILE"
  | "CPLUSPLUS"
  | "LINK_TIME_OPTIMISATION"
  | "NOT_THE_BINARY"
  | "NO_DEBUG_INFORMATION"
  | "UNSUPPORTED_ASSEMBLY"
  | "MARK_LEFT"
  | "NOT_A_PATCH"
  | "NOTHING_DIFFERS"
  | "NO_PLACE";

/** Bad input, decidable without a process; always with what to do about it. */
export class PatchgenError extends EngineError {
  constructor(
    code: PatchgenErrorCode,
    /** One clear sentence without trailing period. */
    message: string,
    help: string,
    /** The file or function that it is about. */
    subject?: string,
  ) {
    super(code, "invalid", message, { help, ...(subject === undefined ? {} : { subject }) });
    this.name = "PatchgenError";
  }
}
