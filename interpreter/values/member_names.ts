/**
 * Which member a name after `.` or `->` means, or the second argument of `list`. In a recipe, a
 * parameter stands for the caller's expression there too: `node->next`, called with `link` for
 * `next`, is `node->link`, and called with `entry.forward` it is `node->entry.forward`.
 */
import type { Expression, Name } from "../../lang/ast.js";
import { plainName } from "../../lang/check/recipes.js";
import type { StructType } from "../../native/engine.js";
import { findMember } from "./c_types.js";
import type { Binding, Environment } from "./environment.js";

type Path = readonly [Name, ...Name[]];

/** Names of members, each of the one before: the name itself unless it is a parameter. */
export function membersNamed(name: Name, struct: StructType, environment: Environment): Path {
  const binding = environment.lookup(name.text);
  if (binding?.kind !== "parameter") return [name];
  const path = pathOf(binding.expression, binding.environment);
  if (path === null) return [name];
  // A script variable or constant is given as a value, unless it happens to be named like a member.
  const isValue = isOwn(binding) && findMember(struct, path[0].text) === null;
  return isValue ? [name] : path;
}

/** Whether a parameter stands for a plain name that is the script's own. */
function isOwn({ expression, environment }: Extract<Binding, { kind: "parameter" }>): boolean {
  const name = plainName(expression);
  const binding = name === undefined ? null : environment.lookup(name);
  return binding?.kind === "parameter" ? isOwn(binding) : binding !== null;
}

/** `a`, `a.b`: what the caller's expression says as a path of members; `null` if it is no such path. */
export function pathOf(expression: Expression, environment: Environment): Path | null {
  if (expression.kind === "parenthesized") return pathOf(expression.expression, environment);
  if (expression.kind === "member" && expression.operator === ".") {
    const owner = pathOf(expression.object, environment);
    return owner === null ? null : [...owner, expression.member];
  }
  if (expression.kind !== "variable" || plainName(expression) === undefined) return null;
  const { name } = expression;
  const binding = environment.lookup(name.text);
  return binding?.kind === "parameter" ? pathOf(binding.expression, binding.environment) : [name];
}
