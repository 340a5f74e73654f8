/** What statements make of the script's own names and values. */
import type { Expression } from "../../lang/ast.js";
import type { Binding, Environment } from "./environment.js";
import { EvaluationError } from "./evaluation_error.js";
import type { Value } from "./value.js";
import { describe, shown } from "./wording.js";

/** `sleep 5`, where a duration is wanted. */
export function notADuration(span: Expression["span"], value: Value): EvaluationError {
  return new EvaluationError(
    "wrong-operand",
    span,
    `\`${shown(span)}\` is ${describe(value)}, not a duration`,
    { suggestion: "a duration is written with its unit: 250ms, 5s, 2m" },
  );
}

/** The script variable that a `set` names, through the parameters of recipes; `null`: the target's. */
export function ownVariable(
  place: Expression,
  environment: Environment,
): Extract<Binding, { kind: "variable" }> | "constant" | null {
  const inner = place.kind === "parenthesized" ? place.expression : place;
  if (inner.kind !== "variable" || inner.function !== undefined || inner.place !== undefined)
    return null;
  const binding = environment.lookup(inner.name.text);
  if (binding === null) return null;
  if (binding.kind === "variable") return binding;
  if (binding.kind === "constant") return "constant";
  return ownVariable(binding.expression, binding.environment);
}

/** `set` of a `const`. */
export function constantIsSet(place: Expression): EvaluationError {
  return new EvaluationError(
    "not-assignable",
    place.span,
    `\`${shown(place.span)}\` is a constant of the script`,
    { suggestion: "declare it by `let`" },
  );
}
