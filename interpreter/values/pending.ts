/**
 * Evaluation is synchronous, so that it can be repeated on the memory of one moment. What takes time
 * (a call in the target, a recipe, a look at stacks) is asked for by an exception: whoever drives
 * the evaluation does the work, remembers the answer and evaluates again. Each piece of work is done
 * once in an evaluation.
 */
export class Pending {
  constructor(
    readonly memo: Memo,
    /** Syntax node or name of the work, and the environment that it is for. */
    readonly key: unknown,
    readonly about: unknown,
    private readonly work: () => Promise<unknown>,
    /** The work may have changed memory. */
    readonly hasEffect: boolean,
  ) {}

  async perform(): Promise<void> {
    this.memo.remember(this.key, this.about, await this.work());
  }
}

export class Memo {
  private readonly answers = new Map<unknown, Map<unknown, unknown>>();

  /** The answer of a piece of work, or the exception that asks for it. */
  need<T>(
    key: unknown,
    about: unknown,
    work: () => Promise<T>,
    options: { readonly hasEffect: boolean },
  ): T {
    const known = this.answers.get(key);
    if (known?.has(about) === true) return known.get(about) as T;
    throw new Pending(this, key, about, work, options.hasEffect);
  }

  remember(key: unknown, about: unknown, answer: unknown): void {
    let known = this.answers.get(key);
    if (known === undefined) {
      known = new Map();
      this.answers.set(key, known);
    }
    known.set(about, answer);
  }
}
