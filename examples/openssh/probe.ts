/** Looks at what an SSH server offers to a connection, as far as it says so before anything is encrypted. */
import { connect } from "node:net";

const timeLimitMs = 20_000;
const kexInit = 20;

/** What is behind the server's line with its version; null as long as that has not ended. */
function behindVersion(received: Buffer): Buffer | null {
  const end = received.indexOf("\n");
  return end < 0 ? null : received.subarray(end + 1);
}

/**
 * The names of the key exchange algorithms in SSH_MSG_KEXINIT (RFC 4253, 7.1): packet length, padding
 * length, message number, cookie, then a list of names with its length before it. Null: not all there yet.
 */
function namesIn(packet: Buffer): string[] | null {
  const list = 4 + 1 + 1 + 16;
  if (packet.length < list + 4 || packet.length < 4 + packet.readUInt32BE(0)) return null;
  if (packet[5] !== kexInit) throw new Error(`the server's first message is number ${packet[5]}`);
  return packet.toString("latin1", list + 4, list + 4 + packet.readUInt32BE(list)).split(",");
}

/**
 * Connects to 127.0.0.1, reads the server's proposal, and leaves.
 * @throws what the connection failed with, or that the server said nothing for 20 s
 */
export function offeredKeyExchange(port: number): Promise<readonly string[]> {
  return new Promise((resolve, reject) => {
    let received = Buffer.alloc(0);
    const socket = connect(port, "127.0.0.1");
    socket.setTimeout(timeLimitMs, () => socket.destroy(new Error("the SSH server says nothing")));
    socket.write("SSH-2.0-polus_probe\r\n");
    socket.on("data", (part: Buffer) => {
      received = Buffer.concat([received, part]);
      const packet = behindVersion(received);
      try {
        const names = packet === null ? null : namesIn(packet);
        if (names === null) return;
        resolve(names);
        socket.destroy();
      } catch (error) {
        socket.destroy();
        reject(error);
      }
    });
    socket.once("error", reject);
    socket.once("close", () => reject(new Error("the SSH server closed the connection")));
  });
}

/** Whether a new connection is offered strict key exchange: "strict" or "not strict". */
export async function offersStrictKex(port: number): Promise<string> {
  const names = await offeredKeyExchange(port);
  return names.includes("kex-strict-s-v00@openssh.com") ? "strict" : "not strict";
}
