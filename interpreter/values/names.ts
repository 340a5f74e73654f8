/** What a name in an expression stands for: the script's own first, then the target's. */
import type { Literal, TypeName, VariableExpression } from "../../lang/ast.js";
import type { ConstantValue } from "../../lang/check/checked.js";
import { placeKind } from "../../lang/check/data.js";
import { didYouMean } from "../../lang/diagnostics/suggest.js";
import { stringBytes } from "../../lang/literals.js";
import type { Span } from "../../lang/source.js";
import {
  EngineError,
  type CType,
  type Entity,
  type NameQuery,
  type Variable,
} from "../../native/engine.js";
import { boolType, integer, voidPointer } from "./c_types.js";
import type { Evaluation } from "./evaluation.js";
import { EvaluationError } from "./evaluation_error.js";
import { encode } from "./scalars.js";
import type { CValue, Value } from "./value.js";

const integerSizes: Readonly<Record<string, number>> = {
  int: 4,
  "unsigned int": 4,
  long: 8,
  "unsigned long": 8,
  "long long": 8,
  "unsigned long long": 8,
};

function made(type: CType, value: bigint | number): CValue {
  return { kind: "c", type, place: null, bytes: encode({ type, value }) };
}

/** A literal's or a constant's value; integers and texts have their C types. */
export function constantValue(
  constant: Exclude<Literal, { kind: "character" }> | ConstantValue,
): Value {
  switch (constant.kind) {
    case "integer": {
      const size = integerSizes[constant.type] ?? 8;
      return made(
        integer(constant.type, size, !constant.type.startsWith("unsigned")),
        constant.value,
      );
    }
    case "float": {
      const size = constant.type === "float" ? 4 : constant.type === "double" ? 8 : 16;
      return made({ kind: "float", name: constant.type, size, complex: false }, constant.value);
    }
    case "string":
      return { kind: "text", bytes: stringBytes(constant), raw: false };
    case "boolean":
      return made(boolType, constant.value ? 1n : 0n);
    case "duration":
      return { kind: "duration", nanoseconds: constant.nanoseconds };
    case "size":
      return { kind: "size", bytes: constant.bytes };
    case "null":
      return made(voidPointer, 0n);
  }
}

export function resolveVariable(evaluation: Evaluation, node: VariableExpression): Value {
  const { name, function: owner, place } = node;
  if (owner === undefined && place === undefined) {
    const binding = evaluation.environment.lookup(name.text);
    if (binding !== null) {
      if (binding.kind === "constant") return constantValue(binding.value);
      if (binding.kind === "variable") return binding.value as Value;
      return evaluation.elsewhere(binding.expression, binding.environment);
    }
  }
  if (owner !== undefined && place === undefined) {
    const thread = scriptValue(evaluation, owner.text);
    if (thread?.kind === "record" && thread.name === "thread")
      return ofThread(evaluation, node, thread.fields.get("tid"));
  }
  return entityValue(evaluation, entityOf(evaluation, node), node.span);
}

function scriptValue(evaluation: Evaluation, name: string): Value | null {
  const binding = evaluation.environment.lookup(name);
  if (binding === null) return null;
  if (binding.kind === "variable") return binding.value as Value;
  if (binding.kind === "constant") return constantValue(binding.value);
  return evaluation.elsewhere(binding.expression, binding.environment);
}

/** The target's entity of a name. */
export function entityOf(evaluation: Evaluation, node: VariableExpression): Entity {
  const { name, function: owner, place } = node;
  const query: NameQuery = {
    name: name.text,
    ...(owner === undefined ? {} : { function: owner.text }),
    ...(place === undefined ? {} : { place: { kind: placeKind(place.value), name: place.value } }),
  };
  try {
    return evaluation.around.program.entity(query);
  } catch (error) {
    if (!(error instanceof EngineError)) throw error;
    const { candidates = [], help } = error.details;
    const ambiguous = error.code === "AMBIGUOUS_NAME";
    throw new EvaluationError(
      ambiguous ? "ambiguous-name" : "unknown-name",
      node.span,
      error.message,
      {
        suggestion: help ?? didYouMean(name.text, candidates),
        refused: true,
      },
    );
  }
}

function entityValue(evaluation: Evaluation, entity: Entity, span: Span): Value {
  switch (entity.kind) {
    case "enumerator":
      return made(entity.type, entity.value);
    case "function":
      return entity.type === null
        ? { kind: "untyped", entity, address: entity.address }
        : evaluation.at(entity.type, entity.address);
    case "variable":
      return variableValue(evaluation, entity, span);
  }
}

function variableValue(evaluation: Evaluation, variable: Variable, span: Span): Value {
  const { type, storage } = variable;
  switch (storage.kind) {
    case "static":
      return type === null
        ? { kind: "untyped", entity: variable, address: storage.address }
        : evaluation.at(type, storage.address);
    case "constant": {
      if (type === null)
        throw new EvaluationError("untyped", span, `the type of \`${variable.name}\` is not known`);
      const bytes = new Uint8Array(evaluation.size(type, span));
      bytes.set(storage.bytes.subarray(0, bytes.length));
      return { kind: "c", type, place: null, bytes };
    }
    case "tls": {
      const { inspection } = evaluation.around;
      if (inspection === null || evaluation.typesOnly)
        return type === null
          ? made(voidPointer, 0n)
          : { kind: "c", type, place: null, bytes: null };
      const threads = inspection.threads();
      const [only] = threads;
      if (only === undefined || threads.length > 1)
        throw new EvaluationError(
          "thread-local",
          span,
          `each of the ${threads.length} threads has a \`${variable.name}\` of its own`,
          { suggestion: `for t in threads() { print t::${variable.name} }` },
        );
      return instanceOf(evaluation, variable, only.tid, span);
    }
  }
}

/** `t::x`: the instance of a thread-local variable that thread `t` has. */
function ofThread(evaluation: Evaluation, node: VariableExpression, tid: Value | undefined): Value {
  const { name, span } = node;
  const entity = entityOf(evaluation, { kind: "variable", span, name });
  if (entity.kind !== "variable" || entity.storage.kind !== "tls")
    throw new EvaluationError(
      "wrong-operand",
      span,
      `\`${name.text}\` is not thread-local: all threads share it`,
    );
  if (evaluation.typesOnly || evaluation.around.inspection === null)
    return variableValue(evaluation, entity, span);
  if (tid === undefined) throw new Error("a thread has no id");
  return instanceOf(evaluation, entity, Number(evaluation.scalar(tid, span).value), span);
}

function instanceOf(evaluation: Evaluation, variable: Variable, tid: number, span: Span): Value {
  const { inspection, memo } = evaluation.around;
  if (inspection === null) throw new Error("there is no process");
  const at = memo.need(
    `${variable.name} in ${variable.module}`,
    tid,
    () => inspection.tlsAddress(variable, tid),
    { hasEffect: false },
  );
  if (at === null)
    throw new EvaluationError(
      "thread-local",
      span,
      `thread ${tid} has no \`${variable.name}\` yet (or has ended)`,
    );
  return variable.type === null
    ? { kind: "untyped", entity: variable, address: at }
    : evaluation.at(variable.type, at);
}

/** The type that a cast or `sizeof` names. */
export function typeNamed(evaluation: Evaluation, name: TypeName): CType {
  let type = baseNamed(evaluation, name);
  for (let count = 0; count < name.pointers; count++) type = { kind: "pointer", target: type };
  for (const dimension of name.dimensions.toReversed())
    type = { kind: "array", element: type, count: Number(evaluation.integer(dimension)) };
  return type;
}

function baseNamed(evaluation: Evaluation, { base, span }: TypeName): CType {
  const { program } = evaluation.around;
  const kind = base.kind === "named" ? "typedef" : base.kind;
  const text =
    base.kind === "named" ? base.name.text : base.kind === "basic" ? base.name : base.tag.text;
  const found = program.type({ kind, name: text });
  if (found !== null) return found;
  const other = (["struct", "union", "enum", "typedef"] as const).find(
    (one) => one !== kind && program.type({ kind: one, name: text }) !== null,
  );
  const written = kind === "typedef" ? text : `${kind} ${text}`;
  throw new EvaluationError("unknown-type", span, `the target has no type \`${written}\``, {
    suggestion:
      other === undefined
        ? didYouMean(text, program.complete("type", text.slice(0, 1), 2000))
        : other === "typedef"
          ? `it is a typedef: write \`${text}\``
          : `write \`${other} ${text}\``,
    refused: true,
  });
}
