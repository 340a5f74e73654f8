/** The pointers of a linked list: `list(head, next)`, and `chain(head, next)` for one that may be damaged. */
import type { InvocationExpression } from "../../lang/ast.js";
import { formatAddress } from "../../native/address.js";
import type { CType, StructType } from "../../native/engine.js";
import { isSameStruct, plain, targetOf, typeText } from "./c_types.js";
import type { Evaluation } from "./evaluation.js";
import { EvaluationError } from "./evaluation_error.js";
import { pathOf } from "./member_names.js";
import type { CValue, ListValue, Value } from "./value.js";
import { shown } from "./wording.js";

const longestList = 1_000_000;

/** How a list's elements hang together. */
interface Links {
  /** Of the pointers to its elements. */
  readonly type: CType;
  readonly struct: StructType;
  readonly first: bigint;
  /** The member of an element that leads to the next. */
  readonly next: (element: CValue) => CValue;
}

/**
 * From `head` along the member `next` to NULL or back to the first.
 * @throws EvaluationError list-cycle, wild-pointer: it goes neither way; list-too-long
 */
export function linkedList(evaluation: Evaluation, node: InvocationExpression): ListValue {
  const links = linksOf(evaluation, node);
  const { items, back } = walk(evaluation, node, links, "complain");
  // A ring that comes back to its head is a list, one that comes back elsewhere is damaged.
  if (back !== null && back.to > 0)
    throw new EvaluationError(
      "list-cycle",
      node.span,
      `${named(node)} runs in a circle: element ${items.length - 1} leads back to element ${back.to} (${formatAddress(back.address)})`,
    );
  return { kind: "list", items };
}

/** As far as it can be gone, each element once: it ends where the list would come back or cannot be read. */
export function chain(evaluation: Evaluation, node: InvocationExpression): ListValue {
  const { items } = walk(evaluation, node, linksOf(evaluation, node), "stop");
  return { kind: "list", items };
}

function named(node: InvocationExpression): string {
  const [head] = node.arguments;
  return head === undefined ? "the list" : `the list \`${shown(head.span)}\``;
}

function linksOf(evaluation: Evaluation, node: InvocationExpression): Links {
  const [head, next] = node.arguments;
  if (head === undefined || next === undefined) throw new Error("arguments were checked");
  const path = pathOf(next, evaluation.environment);
  const first = evaluation.scalar(evaluation.operand(head), head.span);
  const target = targetOf(first.type);
  const struct = target === null ? null : plain(target);
  if (struct?.kind !== "struct")
    throw new EvaluationError(
      "wrong-argument",
      head.span,
      `\`${shown(head.span)}\` is a \`${typeText(first.type)}\`, not a pointer to a struct`,
    );
  if (path === null)
    throw new EvaluationError(
      "wrong-argument",
      next.span,
      `the second argument of \`${node.name.text}\` is the name of the member that leads to the next`,
    );
  const link = (element: CValue): CValue =>
    path.reduce<CValue>((part, name) => evaluation.memberOf(part, name, node.span), element);
  const { type } = link(evaluation.at(struct, evaluation.address(0n, node.span)));
  const onward = targetOf(type);
  if (onward === null || !(isSameStruct(onward, struct) || plain(onward).kind === "void"))
    throw new EvaluationError(
      "wrong-argument",
      next.span,
      `\`${shown(next.span)}\` is a \`${typeText(type)}\`: it does not lead to the next \`${typeText(struct)}\``,
    );
  return { type: first.type, struct, first: BigInt(first.value), next: link };
}

interface Walk {
  readonly items: readonly Value[];
  /** The element that the last one leads back to, where it does. */
  readonly back: { readonly to: number; readonly address: bigint } | null;
}

function walk(
  evaluation: Evaluation,
  node: InvocationExpression,
  { type, struct, first, next }: Links,
  atWild: "complain" | "stop",
): Walk {
  const items: Value[] = [];
  const seen = new Map<bigint, number>();
  const pointer = (value: bigint): CValue => evaluation.made({ type, value });
  if (evaluation.typesOnly) return { items: [pointer(first)], back: null };
  for (let at = first; at !== 0n;) {
    const before = seen.get(at);
    if (before !== undefined) return { items, back: { to: before, address: at } };
    if (items.length === longestList)
      throw new EvaluationError(
        "list-too-long",
        node.span,
        `${named(node)} has more than ${longestList} elements`,
      );
    let onward: bigint;
    try {
      const element = evaluation.at(struct, evaluation.address(at, node.span));
      onward = BigInt(evaluation.scalar(next(element), node.span).value);
    } catch (error) {
      if (atWild === "stop" && error instanceof EvaluationError && isWild(error)) break;
      throw error;
    }
    seen.set(at, items.length);
    items.push(pointer(at));
    at = onward;
  }
  return { items, back: null };
}

function isWild({ code }: EvaluationError): boolean {
  return code === "wild-pointer" || code === "null-pointer";
}
