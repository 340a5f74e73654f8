/** Declarations: imports, constants, recipes, and updates with all that stands in them. */
import type { IToken } from "chevrotain";
import type {
  CheckItem,
  CompleteClause,
  ConstDeclaration,
  DataItem,
  DataNameProperty,
  DataProperty,
  Expression,
  ImportDeclaration,
  InlineCItem,
  Item,
  Name,
  OnFailureClause,
  OtherwiseItem,
  PatchClause,
  PatchItem,
  RecipeDeclaration,
  RecoverItem,
  ReplaceItem,
  RollbackPointClause,
  StringLiteral,
  TaintClause,
  TaintItem,
  TaintTime,
  TargetClause,
  TargetItem,
  UpdateDeclaration,
  UpdateItem,
} from "../ast.js";
import { diagnose } from "../diagnostics/codes.js";
import { endOfRawC } from "../inline-c.js";
import * as t from "../tokens.js";
import type { ListContext } from "./base.js";
import { StatementGrammar, statementWords } from "./statements.js";

const topContext: ListContext = {
  item: "a declaration or a statement",
  kind: "script",
  words: new Set([t.Import, t.Const, t.Recipe, t.Update, ...statementWords]),
  continuations: [],
  invocations: true,
};

const updateContext: ListContext = {
  item: "`target`, `patch`, `rollback point`, `taint`, `on failure` or `complete within`",
  kind: "update",
  words: new Set([t.Target, t.Patch, t.Rollback, t.Taint, t.On, t.Complete]),
  continuations: [],
  invocations: false,
};

const targetContext: ListContext = {
  item: "`exe`, `build_id` or `scope`",
  kind: "target",
  words: new Set([t.Exe, t.BuildId, t.Scope]),
  continuations: [],
  invocations: false,
};

const patchContext: ListContext = {
  item: "`replace`, `data` or `c { … }`",
  kind: "patch",
  words: new Set([t.Replace, t.Data, t.C]),
  continuations: ["in", "with"],
  invocations: false,
};

const dataContext: ListContext = {
  item: "`new`, `forward`, `backward`, `each`, `size`, `on new` or `on free`",
  kind: "data",
  words: new Set([t.New, t.Forward, t.Backward, t.Each, t.Size, t.On]),
  continuations: [],
  invocations: false,
};

const taintContext: ListContext = {
  item: "`check`, `recover` or `otherwise`",
  kind: "taint",
  words: new Set([t.Check, t.Recover, t.Otherwise]),
  continuations: [],
  invocations: false,
};

export abstract class DeclarationGrammar extends StatementGrammar {
  /** The whole of a file. */
  protected readonly items = this.RULE("items", (): readonly Item[] =>
    this.list(topContext, this.item),
  );

  protected readonly item = this.choice<Item>(
    "item",
    {
      DEF: [
        { ALT: () => this.SUBRULE(this.importDeclaration) },
        { ALT: () => this.SUBRULE(this.constDeclaration) },
        { ALT: () => this.SUBRULE(this.recipeDeclaration) },
        { ALT: () => this.SUBRULE(this.updateDeclaration) },
        {
          // `patch` may also be a variable of the target.
          GATE: () => this.interactive && this.isAhead(2, t.Identifier) && this.onSameLine(2),
          ALT: () => this.SUBRULE(this.barePatch),
        },
        { ALT: () => this.SUBRULE(this.statement) },
      ],
      ERR_MSG: topContext.item,
      IGNORE_AMBIGUITIES: true,
    },
    t.Patch,
  );

  protected readonly importDeclaration = this.RULE("import", (): ImportDeclaration => {
    const first = this.CONSUME(t.Import);
    const path = this.textOf(this.CONSUME(t.StringText));
    return { kind: "import", span: this.since(first), path };
  });

  protected readonly constDeclaration = this.RULE("const", (): ConstDeclaration => {
    const first = this.CONSUME(t.Const);
    const name = this.nameOf(this.CONSUME(t.Identifier));
    this.CONSUME(t.Assign);
    const value = this.SUBRULE(this.expression);
    return { kind: "const", span: this.since(first), name, value };
  });

  protected readonly recipeDeclaration = this.RULE("recipe", (): RecipeDeclaration => {
    const first = this.CONSUME(t.Recipe);
    const name = this.nameOf(this.CONSUME1(t.Identifier));
    const parameters: Name[] = [];
    this.CONSUME(t.LeftParenthesis);
    this.MANY_SEP({
      SEP: t.Comma,
      DEF: () => parameters.push(this.nameOf(this.CONSUME2(t.Identifier))),
    });
    this.CONSUME(t.RightParenthesis);
    const body = this.SUBRULE(this.block);
    return { kind: "recipe", span: this.since(first), name, parameters, body };
  });

  protected readonly updateDeclaration = this.RULE("update", (): UpdateDeclaration => {
    const first = this.CONSUME(t.Update);
    const name = this.nameOf(this.CONSUME(t.Identifier));
    let description: StringLiteral | undefined;
    this.OPTION(() => {
      description = this.textOf(this.CONSUME(t.StringText));
    });
    const items = this.braced(updateContext, this.updateItem, () => `update \`${name.text}\``);
    return {
      kind: "update",
      span: this.since(first),
      name,
      ...(description && { description }),
      items,
    };
  });

  /** `patch NAME { … }` typed in at the REPL's prompt. */
  protected readonly barePatch = this.RULE("barePatch", (): UpdateDeclaration => {
    const patch = this.SUBRULE(this.patch);
    return this.ACTION((): UpdateDeclaration => ({
      kind: "update",
      span: patch.span,
      name: patch.name,
      items: [patch],
      bare: true,
    }));
  });

  protected readonly updateItem = this.choice<UpdateItem>("updateItem", {
    DEF: [
      { ALT: () => this.SUBRULE(this.target) },
      { ALT: () => this.SUBRULE(this.patch) },
      { ALT: () => this.SUBRULE(this.rollbackPoint) },
      { ALT: () => this.SUBRULE(this.taint) },
      { ALT: () => this.SUBRULE(this.onFailure) },
      { ALT: () => this.SUBRULE(this.complete) },
    ],
    ERR_MSG: updateContext.item,
  });

  // --- target ---------------------------------------------------------------------------

  protected readonly target = this.RULE("target", (): TargetClause => {
    const first = this.CONSUME(t.Target);
    const items = this.braced(targetContext, this.targetItem, () => "the target");
    return { kind: "target", span: this.since(first), items };
  });

  protected readonly targetItem = this.choice<TargetItem>("targetItem", {
    DEF: [
      {
        ALT: () => {
          const first = this.CONSUME(t.Exe);
          const value = this.textOf(this.CONSUME1(t.StringText));
          return { kind: "exe", span: this.since(first), value };
        },
      },
      {
        ALT: () => {
          const first = this.CONSUME(t.BuildId);
          const value = this.textOf(this.CONSUME2(t.StringText));
          return { kind: "build-id", span: this.since(first), value };
        },
      },
      {
        ALT: () => {
          const first = this.CONSUME(t.Scope);
          const value = this.nameOf(this.CONSUME3(t.Identifier));
          return { kind: "scope", span: this.since(first), value };
        },
      },
    ],
    ERR_MSG: targetContext.item,
  });

  // --- patches ----------------------------------------------------------------------------

  protected readonly patch = this.RULE("patch", (): PatchClause => {
    const first = this.CONSUME(t.Patch);
    const name = this.nameOf(this.CONSUME1(t.Identifier));
    let from: StringLiteral | undefined;
    this.OPTION1(() => {
      this.CONSUME(t.From);
      from = this.textOf(this.CONSUME(t.StringText));
    });
    const after: Name[] = [];
    this.OPTION2(() => {
      this.CONSUME(t.After);
      this.AT_LEAST_ONE_SEP({
        SEP: t.Comma,
        DEF: () => after.push(this.nameOf(this.CONSUME2(t.Identifier))),
        ERR_MSG: "the name of a patch",
      });
    });
    const items = this.braced(patchContext, this.patchItem, () => `patch \`${name.text}\``);
    return { kind: "patch", span: this.since(first), name, ...(from && { from }), after, items };
  });

  protected readonly patchItem = this.choice<PatchItem>("patchItem", {
    DEF: [
      { ALT: () => this.SUBRULE(this.replace) },
      { ALT: () => this.SUBRULE(this.data) },
      { ALT: () => this.SUBRULE(this.inlineC) },
    ],
    ERR_MSG: patchContext.item,
  });

  protected readonly replace = this.RULE("replace", (): ReplaceItem => {
    const first = this.CONSUME(t.Replace);
    const name = this.nameOf(this.CONSUME1(t.Identifier));
    let place: StringLiteral | undefined;
    this.OPTION1(() => {
      this.CONSUME(t.In);
      place = this.textOf(this.CONSUME(t.StringText));
    });
    let substitute: Name | undefined;
    this.OPTION2(() => {
      this.CONSUME(t.With);
      substitute = this.nameOf(this.CONSUME2(t.Identifier));
    });
    return {
      kind: "replace",
      span: this.since(first),
      function: name,
      ...(place && { place }),
      ...(substitute && { with: substitute }),
    };
  });

  protected readonly inlineC = this.RULE("inlineC", (): InlineCItem => {
    const first = this.CONSUME(t.C);
    const braces = this.CONSUME(t.InlineC);
    return this.ACTION((): InlineCItem => {
      const { image } = braces;
      const span = this.spanOf(braces);
      // With one more brace an unclosed text ends at that brace, a closed one before it.
      const closed = endOfRawC(`${image}}`, 0) === image.length;
      if (!closed) {
        this.report(diagnose("unclosed-c", this.file.span(span.start, span.start + 1), undefined));
        this.hushNext();
      }
      return {
        kind: "inline-c",
        span: this.since(first),
        text: image.slice(1, closed ? -1 : undefined),
        textSpan: this.file.span(span.start + 1, span.end - (closed ? 1 : 0)),
      };
    });
  });

  protected readonly data = this.RULE("data", (): DataItem => {
    const first = this.CONSUME(t.Data);
    let name = this.nameOf(this.CONSUME1(t.Identifier));
    let host: Name | undefined;
    this.OPTION1(() => {
      this.CONSUME(t.DoubleColon);
      host = name;
      name = this.nameOf(this.CONSUME2(t.Identifier));
    });
    let place: StringLiteral | undefined;
    this.OPTION2(() => {
      this.CONSUME(t.In);
      place = this.textOf(this.CONSUME(t.StringText));
    });
    const what = () => `data item \`${name.text}\``;
    const properties = this.braced(dataContext, this.dataProperty, what);
    return {
      kind: "data",
      span: this.since(first),
      name,
      ...(host && { function: host }),
      ...(place && { place }),
      properties,
    };
  });

  protected readonly dataProperty = this.choice<DataProperty>("dataProperty", {
    DEF: [{ ALT: () => this.SUBRULE(this.dataSize) }, { ALT: () => this.SUBRULE(this.dataName) }],
    ERR_MSG: dataContext.item,
  });

  protected readonly dataSize = this.RULE("dataSize", (): DataProperty => {
    const first = this.CONSUME(t.Size);
    const old = this.SUBRULE1(this.expression);
    this.CONSUME(t.Comma);
    const next = this.SUBRULE2(this.expression);
    return { kind: "size", span: this.since(first), old, new: next };
  });

  protected readonly dataName = this.RULE("dataName", (): DataProperty => {
    const first = this.LA(1);
    const kind = this.OR1<DataNameProperty["kind"]>({
      DEF: [
        { ALT: () => this.#word(this.CONSUME1(t.New), "new") },
        { ALT: () => this.#word(this.CONSUME(t.Forward), "forward") },
        { ALT: () => this.#word(this.CONSUME(t.Backward), "backward") },
        { ALT: () => this.#word(this.CONSUME(t.Each), "each") },
        {
          ALT: () => {
            this.CONSUME(t.On);
            return this.OR2<DataNameProperty["kind"]>({
              DEF: [
                { ALT: () => this.#word(this.CONSUME2(t.New), "on-new") },
                { ALT: () => this.#word(this.CONSUME(t.Free), "on-free") },
              ],
              ERR_MSG: "`new` or `free`",
            });
          },
        },
      ],
      ERR_MSG: dataContext.item,
    });
    const value = this.nameOf(this.CONSUME(t.Identifier));
    let place: StringLiteral | undefined;
    this.OPTION(() => {
      this.CONSUME(t.In);
      place = this.textOf(this.CONSUME(t.StringText));
    });
    return { kind, span: this.since(first), value, ...(place && { place }) };
  });

  #word<T>(_consumed: IToken, kind: T): T {
    return kind;
  }

  // --- points, failure, completion ----------------------------------------------------------

  protected readonly rollbackPoint = this.RULE("rollbackPoint", (): RollbackPointClause => {
    const first = this.CONSUME(t.Rollback);
    this.CONSUME(t.Point);
    const name = this.nameOf(this.CONSUME1(t.Identifier));
    const side = this.OR([
      { ALT: () => this.CONSUME(t.Before) },
      { ALT: () => this.CONSUME(t.After) },
    ]);
    const patch = this.nameOf(this.CONSUME2(t.Identifier));
    const position = side.tokenType === t.Before ? "before" : "after";
    return { kind: "rollback-point", span: this.since(first), name, position, patch };
  });

  protected readonly onFailure = this.RULE("onFailure", (): OnFailureClause => {
    const first = this.CONSUME(t.On);
    this.CONSUME(t.Failure);
    let point: Name | undefined;
    const word = this.OR([
      {
        ALT: () => {
          const rollback = this.CONSUME(t.Rollback);
          this.OPTION(() => {
            this.CONSUME(t.To);
            point = this.nameOf(this.CONSUME(t.Identifier));
          });
          return rollback;
        },
      },
      { ALT: () => this.CONSUME(t.Keep) },
    ]);
    const action = word.tokenType === t.Keep ? "keep" : "rollback";
    return { kind: "on-failure", span: this.since(first), action, ...(point && { point }) };
  });

  protected readonly complete = this.RULE("complete", (): CompleteClause => {
    const first = this.CONSUME(t.Complete);
    this.CONSUME(t.Within);
    const within: Expression = this.SUBRULE(this.expression);
    return { kind: "complete", span: this.since(first), within };
  });

  // --- taints -------------------------------------------------------------------------------

  protected readonly taint = this.RULE("taint", (): TaintClause => {
    const first = this.CONSUME(t.Taint);
    const name = this.nameOf(this.CONSUME1(t.Identifier));
    const start = this.LA(1);
    const when = this.OR<TaintTime>([
      {
        ALT: () => {
          this.CONSUME(t.Before);
          const patch = this.nameOf(this.CONSUME2(t.Identifier));
          return { kind: "before", patch, span: this.since(start) };
        },
      },
      {
        ALT: () => {
          this.CONSUME(t.After);
          const patch = this.nameOf(this.CONSUME3(t.Identifier));
          return { kind: "after", patch, span: this.since(start) };
        },
      },
      {
        ALT: () => {
          this.CONSUME(t.Always);
          return { kind: "always", span: this.since(start) };
        },
      },
    ]);
    const items = this.braced(taintContext, this.taintItem, () => `taint \`${name.text}\``);
    return { kind: "taint", span: this.since(first), name, when, items };
  });

  protected readonly taintItem = this.choice<TaintItem>("taintItem", {
    DEF: [
      { ALT: () => this.SUBRULE(this.check) },
      { ALT: () => this.SUBRULE(this.recover) },
      { ALT: () => this.SUBRULE(this.otherwise) },
    ],
    ERR_MSG: taintContext.item,
  });

  protected readonly check = this.RULE("check", (): CheckItem => {
    const first = this.CONSUME(t.Check);
    const condition = this.SUBRULE(this.expression);
    return { kind: "check", span: this.since(first), condition };
  });

  protected readonly recover = this.RULE("recover", (): RecoverItem => {
    const first = this.CONSUME(t.Recover);
    const body = this.SUBRULE(this.block);
    return { kind: "recover", span: this.since(first), body };
  });

  protected readonly otherwise = this.RULE("otherwise", (): OtherwiseItem => {
    const first = this.CONSUME(t.Otherwise);
    const word = this.OR([
      { ALT: () => this.CONSUME(t.Fail) },
      { ALT: () => this.CONSUME(t.Warn) },
    ]);
    const message = this.textOf(this.CONSUME(t.StringText));
    const action = word.tokenType === t.Fail ? "fail" : "warn";
    return { kind: "otherwise", span: this.since(first), action, message };
  });
}
