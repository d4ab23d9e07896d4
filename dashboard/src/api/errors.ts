import * as v from "valibot";
import { sentence } from "@/lib/format";

const ErrorShape = v.object({
  error: v.string(),
  code: v.string(),
  details: v.optional(v.unknown()),
});

export type ApiErrorCode = string;

/** A refused or failed request. `status` is 0 if there was no response. */
export class ApiError extends Error {
  readonly status: number;
  readonly code: ApiErrorCode;
  readonly details: unknown;

  constructor(status: number, code: ApiErrorCode, message: string, details?: unknown) {
    super(message);
    this.name = "ApiError";
    this.status = status;
    this.code = code;
    this.details = details;
  }

  /** Whether the orchestrator could not be reached, as opposed to having refused. */
  get unreachable(): boolean {
    return this.status === 0 || this.status === 502 || this.status === 504;
  }
}

/** Reads a response with a status of 400 or more; its body need not be JSON. */
export async function errorFromResponse(response: Response): Promise<ApiError> {
  const text = await response.text().catch(() => "");
  const parsed = v.safeParse(v.pipe(v.string(), v.parseJson(), ErrorShape), text);
  if (parsed.success) {
    const { code, error, details } = parsed.output;
    return new ApiError(response.status, code, error, details);
  }
  return new ApiError(response.status, "unknown", fallbackMessage(response.status));
}

export function networkError(): ApiError {
  return new ApiError(0, "unavailable", "The dashboard's server does not answer.");
}

function fallbackMessage(status: number): string {
  if (status >= 500) return `The orchestrator does not answer (status ${status}).`;
  return `The request was refused with status ${status}.`;
}

/** What a person reads. */
export function describeError(error: unknown): string {
  if (error instanceof ApiError) return sentence(error.message);
  return "The page met an unexpected problem.";
}

const Violations = v.object({ violations: v.array(v.string()) });

/** The conventions that a submitted checklist violates, if the refusal lists them. */
export function violationsOf(error: unknown): string[] {
  if (!(error instanceof ApiError)) return [];
  const parsed = v.safeParse(Violations, error.details);
  return parsed.success ? parsed.output.violations : [];
}
