/**
 * Where the line editor draws. While something runs it is mute: what is typed ahead is
 * drawn when its turn comes, so that it never mixes with what the running input prints.
 */
import { Writable } from "node:stream";
import type { Output } from "../progress/output.js";

export class Screen extends Writable {
  mute = false;
  readonly isTTY = true;

  constructor(
    private readonly target: Output,
    /** The terminal, for its size only. */
    private readonly terminal: NodeJS.WriteStream,
  ) {
    super({ decodeStrings: false });
    terminal.on("resize", this.resized);
  }

  get columns(): number {
    return this.terminal.columns;
  }

  get rows(): number {
    return this.terminal.rows;
  }

  override _write(
    chunk: string | Buffer,
    _encoding: BufferEncoding,
    callback: (error?: Error | null) => void,
  ): void {
    if (!this.mute) this.target.write(chunk.toString());
    callback();
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    this.terminal.off("resize", this.resized);
    callback(error);
  }

  private readonly resized = (): void => void this.emit("resize");
}
