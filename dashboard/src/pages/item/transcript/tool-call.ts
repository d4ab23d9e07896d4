import type { TranscriptEntry } from "@/api/types";

export type ToolCall = Extract<TranscriptEntry, { type: "tool" }>;

export interface Edit {
  path: string;
  before: string;
  after: string;
}

/** The argument that says most about a call, on one line. */
export function toolSummary(call: ToolCall): string {
  const input = call.input ?? {};
  const candidates = [
    input.command,
    call.path,
    input.file_path,
    input.pattern,
    input.query,
    input.url,
    input.description,
    input.prompt,
  ];
  const text = candidates.find(
    (value): value is string => typeof value === "string" && value.trim() !== "",
  );
  return text?.trim().split("\n")[0] ?? "";
}

const VERB: Record<ToolCall["kind"], string> = { read: "Read", write: "Edit", bash: "Run" };

export function toolName(call: ToolCall): string {
  return call.name ?? VERB[call.kind];
}

/** The changes that an editing tool makes; empty for other tools. */
export function toolEdits(call: ToolCall): Edit[] {
  const { input } = call;
  if (call.kind !== "write" || !input) return [];
  const path = call.path ?? text(input.file_path) ?? "";
  if (Array.isArray(input.edits))
    return input.edits.flatMap((edit: unknown) => replacement(path, edit));
  const content = text(input.content);
  return content === undefined ? replacement(path, input) : [{ path, before: "", after: content }];
}

function replacement(path: string, edit: unknown): Edit[] {
  if (typeof edit !== "object" || edit === null) return [];
  const before = "old_string" in edit ? text(edit.old_string) : undefined;
  const after = "new_string" in edit ? text(edit.new_string) : undefined;
  return before === undefined || after === undefined ? [] : [{ path, before, after }];
}

/** Arguments for reading, without those that `toolEdits` and the command show. */
export function toolInputText(call: ToolCall): string {
  const { input } = call;
  if (!input) return "";
  const command = text(input.command);
  if (command !== undefined) return command;
  return JSON.stringify(input, null, 2);
}

function text(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}

/** Everything in an entry that a person may search for. */
export function entryText(entry: TranscriptEntry): string {
  switch (entry.type) {
    case "message":
      return entry.text;
    case "tool":
      return `${toolName(entry)} ${entry.path ?? ""} ${entry.input ? JSON.stringify(entry.input) : ""}`;
    case "tool_result":
      return entry.output;
    case "commit":
      return `${entry.hash} ${entry.message}`;
    case "task_complete":
    case "task_reopened":
      return entry.text;
    case "warning":
    case "notice":
      return entry.message;
    default:
      return "";
  }
}
