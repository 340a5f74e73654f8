/** Data items of a script as the engine is given them. */
import type { Expression } from "../../lang/ast.js";
import type { CheckedData, CheckedFunction, CheckedScope } from "../../lang/check/checked.js";
import { address } from "../../native/address.js";
import {
  EngineError,
  type DataRequest,
  type FunctionName,
  type FunctionScope,
  type ProgramNames,
} from "../../native/engine.js";
import { withPatches } from "../run/patch_names.js";
import { TypedNames } from "../run/typed_names.js";
import { EvaluationError } from "../values/evaluation_error.js";
import { decode, isIntegral } from "../values/scalars.js";
import { TypedExpressions } from "../values/typed_expressions.js";

function scopeOf({ scope }: Pick<CheckedFunction, "scope">): { readonly scope?: FunctionScope } {
  return scope === undefined ? {} : { scope: { kind: scope.kind, name: scope.value } };
}

function functionName(named: CheckedFunction): FunctionName {
  return { name: named.value, ...scopeOf(named) };
}

const noBase = address(0n);

/** The value of a size, with names that the first of two programs defines before those of the second. */
function sizeIn(
  [first, second]: readonly [ProgramNames, ProgramNames],
  expression: Expression,
  scope: CheckedScope,
  item: string,
): number {
  const names = withPatches(first, [], [{ names: second, base: noBase }]);
  const refuse = (code: string, message: string, help?: string): EngineError =>
    new EngineError(code, "refused", message, {
      subject: item,
      ...(help === undefined ? {} : { help }),
    });
  const recipe = (): never => {
    throw refuse("DATA_SIZE", `a size of data item ${item} cannot be what a recipe returns`);
  };
  try {
    const value = new TypedExpressions(names, recipe).value(expression, new TypedNames(scope));
    if (value.kind === "size") return Number(value.bytes);
    if (value.kind === "c" && value.bytes !== null && isIntegral(value.type))
      return Number(decode(value.bytes, value.type).value);
  } catch (error) {
    if (!(error instanceof EvaluationError)) throw error;
    throw refuse(error.code.toUpperCase().replaceAll("-", "_"), error.message, error.suggestion);
  }
  throw refuse(
    "DATA_SIZE",
    `a size of data item ${item} is no number that types alone tell`,
    "write sizeof of a type",
  );
}

/**
 * @param scope what the file that declares the item sees: its constants may be part of sizes
 */
export function dataRequest(item: CheckedData, scope: CheckedScope): DataRequest {
  const { name, objects } = item;
  const common = { name, forward: item.forward.value, backward: item.backward.value };
  if (objects.kind === "global") {
    return {
      ...common,
      objects: {
        kind: "global",
        ...(objects.function === undefined ? {} : { function: objects.function }),
        ...scopeOf(objects),
        new: objects.new.value,
      },
    };
  }
  const { each, size, onNew, onFree } = objects;
  return {
    ...common,
    objects: {
      kind: "each",
      each: functionName(each),
      size: (program, patch) => ({
        old: sizeIn([program, patch], size.old, scope, name),
        new: sizeIn([patch, program], size.new, scope, name),
      }),
      ...(onNew === undefined ? {} : { onNew: functionName(onNew) }),
      ...(onFree === undefined ? {} : { onFree: functionName(onFree) }),
    },
  };
}
