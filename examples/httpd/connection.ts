/** A connection that asks an HTTP server one thing after another and stays open. */
import { connect, type Socket } from "node:net";

const timeLimitMs = 10_000;

interface Waiting {
  readonly resolve: (body: string) => void;
  readonly reject: (error: Error) => void;
}

/** The body of a chunked response (RFC 9112, 7.1), and what is behind it; null: not all there yet. */
function readChunks(text: string, start: number): { body: string; end: number } | null {
  let body = "";
  for (let at = start; ;) {
    const line = text.indexOf("\r\n", at);
    if (line < 0) return null;
    const size = Number.parseInt(text.slice(at, line), 16);
    if (Number.isNaN(size)) throw new Error("the HTTP server sent a chunk without its size");
    const end = line + 2 + size + 2;
    if (text.length < end) return null;
    if (size === 0) return { body, end };
    body += text.slice(line + 2, line + 2 + size);
    at = end;
  }
}

/** The body of the first response, and what is behind it; null: not all there yet. */
function readResponse(text: string): { body: string; end: number } | null {
  const head = text.indexOf("\r\n\r\n");
  if (head < 0) return null;
  if (!text.startsWith("HTTP/1.1 200 ")) {
    throw new Error(`the HTTP server said ${text.slice(0, text.indexOf("\r\n"))}`);
  }
  const headers = text.slice(0, head);
  const start = head + 4;
  if (/^transfer-encoding: chunked$/im.test(headers)) return readChunks(text, start);
  const length = Number(/^content-length: (\d+)$/im.exec(headers)?.[1] ?? Number.NaN);
  if (Number.isNaN(length)) throw new Error("the HTTP server does not say how long its answer is");
  const end = start + length;
  return text.length < end ? null : { body: text.slice(start, end), end };
}

export class HttpConnection {
  private readonly socket: Socket;
  private received = "";
  private waiting: Waiting | null = null;
  private failure: Error | null = null;

  constructor(port: number) {
    this.socket = connect(port, "127.0.0.1");
    this.socket.setNoDelay(true);
    this.socket.setEncoding("latin1").on("data", (part: string) => this.hear(part));
    this.socket.on("error", (error) => this.fail(error));
    this.socket.on("close", () => this.fail(new Error("the HTTP server closed the connection")));
    this.socket.on("timeout", () => this.fail(new Error("the HTTP server says nothing")));
  }

  private fail(error: Error): void {
    this.failure ??= error;
    this.waiting?.reject(this.failure);
    this.waiting = null;
  }

  private hear(part: string): void {
    this.received += part;
    try {
      const response = readResponse(this.received);
      if (response === null) return;
      this.received = this.received.slice(response.end);
      this.socket.setTimeout(0);
      const { waiting } = this;
      this.waiting = null;
      waiting?.resolve(response.body);
    } catch (error) {
      this.fail(error instanceof Error ? error : new Error(String(error)));
    }
  }

  /** The body of a file. One request at a time. Rejects when the answer is not 200, or the connection is lost. */
  get(file: string): Promise<string> {
    return new Promise((resolve, reject) => {
      if (this.failure !== null) return reject(this.failure);
      this.waiting = { resolve, reject };
      this.socket.setTimeout(timeLimitMs);
      this.socket.write(`GET /${file} HTTP/1.1\r\nHost: localhost\r\n\r\n`);
    });
  }

  close(): void {
    this.socket.destroy();
  }
}
