import type { Priority } from "@/api/types";
import { checklistProblems } from "@/lib/checklist";

export interface WorkForm {
  repo: string;
  kind: "description" | "spec";
  text: string;
  priority: Priority;
}

export type Problems = Partial<Record<"repo" | "text", string>>;

const REPO = /^[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?\/[A-Za-z0-9._-]+$/;

/** What is certain to be refused; the API has the last word. */
export function problemsOf({ repo, kind, text }: WorkForm): Problems {
  const problems: Problems = {};
  if (!REPO.test(repo.trim())) problems.repo = "Write it as owner/name.";
  if (kind === "description" && text.trim() === "") problems.text = "Describe the task.";
  if (kind === "spec") problems.text = checklistProblems(text)[0];
  return problems;
}

export function isComplete(form: WorkForm): boolean {
  return Object.values(problemsOf(form)).every((problem) => problem === undefined);
}

export function requestOf({ repo, kind, text, priority }: WorkForm) {
  const common = { repo: repo.trim(), priority };
  return kind === "spec" ? { ...common, spec: text } : { ...common, description: text.trim() };
}
