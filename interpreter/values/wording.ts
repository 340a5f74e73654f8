/** How messages speak of values and of what is written in the script. */
import { textOf, type Span } from "../../lang/source.js";
import { typeText } from "./c_types.js";
import { EvaluationError } from "./evaluation_error.js";
import type { UntypedValue, Value } from "./value.js";

/** Something that only a symbol tells of was used as a value. */
export function untyped(
  span: Span,
  { name, kind }: UntypedValue["entity"],
  example = `*(int *)&${name}`,
): EvaluationError {
  return new EvaluationError(
    "untyped",
    span,
    `there is no debug information for \`${name}\`: its type is not known`,
    {
      suggestion:
        kind === "function"
          ? `its address is &${name}; it is run by: call ${name}(…)`
          : `cast its address: ${example}`,
      refused: true,
    },
  );
}

/** For messages: what kind of thing a value is. */
export function describe(value: Value): string {
  switch (value.kind) {
    case "c":
      return `a \`${typeText(value.type)}\``;
    case "untyped":
      return "of unknown type";
    case "text":
      return value.raw ? "bytes" : "a text";
    case "list":
      return "a list";
    case "record":
      return `a ${value.name}`;
    case "duration":
      return "a duration";
    case "size":
      return "a size";
  }
}

/** An expression as it is written, shortened. */
export function shown(span: Span): string {
  const text = textOf(span).replace(/\s+/g, " ");
  return text.length > 60 ? `${text.slice(0, 57)}…` : text;
}
