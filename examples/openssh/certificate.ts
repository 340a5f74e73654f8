/** Makes a user's certificate as ssh-keygen would not: with a comma in the name of a principal. */
import { generateKeyPairSync, randomBytes, sign } from "node:crypto";

const keyType = "ssh-ed25519";
const certificateType = "ssh-ed25519-cert-v01@openssh.com";

/** A text with its length before it (RFC 4251, 5). */
function text(value: string | Buffer): Buffer {
  const bytes = Buffer.from(value);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(bytes.length);
  return Buffer.concat([length, bytes]);
}

export interface Certificate {
  /** What stands in a file `KEY-cert.pub`. */
  readonly line: string;
  /** The authority's public key, as authorized_keys has it. */
  readonly authority: string;
}

/**
 * A certificate of a new authority, for ever valid (OpenSSH's PROTOCOL.certkeys).
 * @param publicKey a line of a `.pub` file, of an ed25519 key
 */
export function certify(publicKey: string, principal: string): Certificate {
  const [, encoded = ""] = publicKey.split(" ");
  // Behind the name of its type and its own length.
  const subject = Buffer.from(encoded, "base64").subarray(4 + keyType.length + 4);
  const pair = generateKeyPairSync("ed25519");
  const raw = Buffer.from(pair.publicKey.export({ format: "jwk" }).x ?? "", "base64url");
  const authority = Buffer.concat([text(keyType), text(raw)]);
  const user = Buffer.from([0, 0, 0, 1]);
  const [serial, after, before] = [Buffer.alloc(8), Buffer.alloc(8), Buffer.alloc(8, 0xff)];
  const signed = Buffer.concat([
    ...[text(certificateType), text(randomBytes(32)), text(subject), serial, user],
    ...[text("polus"), text(text(principal)), after, before],
    // No critical options, no extensions, nothing reserved.
    ...[text(""), text(""), text(""), text(authority)],
  ]);
  const signature = Buffer.concat([text(keyType), text(sign(null, signed, pair.privateKey))]);
  const certificate = Buffer.concat([signed, text(signature)]).toString("base64");
  return {
    line: `${certificateType} ${certificate} polus\n`,
    authority: `${keyType} ${authority.toString("base64")} authority\n`,
  };
}
