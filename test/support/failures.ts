/** Errors as tests look at them. */

/** Runs `attempt`; the `code` of the error that it throws, "no error" if none. Rethrows errors without a code. */
export function codeOf(attempt: () => unknown): string {
  try {
    attempt();
  } catch (error) {
    if (error instanceof Error && "code" in error && typeof error.code === "string") {
      return error.code;
    }
    throw error;
  }
  return "no error";
}
