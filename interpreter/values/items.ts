/** What `for` goes over. */
import type { Span } from "../../lang/source.js";
import { plain, typeText } from "./c_types.js";
import type { Evaluation } from "./evaluation.js";
import { EvaluationError } from "./evaluation_error.js";
import type { CValue, Value } from "./value.js";
import { describe, shown } from "./wording.js";

/**
 * The elements of a list or array; an array that lies in the process is read as a whole.
 * @throws EvaluationError wrong-operand
 */
export function itemsOf(evaluation: Evaluation, value: Value, span: Span): readonly Value[] {
  if (value.kind === "list") return value.items;
  if (value.kind === "text" && value.raw)
    return [...value.bytes].map((byte) => evaluation.byte(byte));
  const own = value.kind === "c" ? plain(value.type) : null;
  if (value.kind === "c" && own?.kind === "array" && own.count !== null) {
    const size = evaluation.size(own.element, span);
    const bytes = evaluation.bytes(value, span);
    const base = value.place?.address;
    return Array.from({ length: own.count }, (_, index): CValue => ({
      kind: "c",
      type: own.element,
      place:
        base === undefined
          ? null
          : { address: evaluation.address(base + BigInt(index * size), span), bits: null },
      bytes: bytes.subarray(index * size, (index + 1) * size),
    }));
  }
  throw new EvaluationError(
    "wrong-operand",
    span,
    `\`${shown(span)}\` is ${value.kind === "c" ? `a \`${typeText(value.type)}\`` : describe(value)}: \`for\` goes over lists and arrays`,
    { suggestion: "a linked list is walked by list(head, next)" },
  );
}
