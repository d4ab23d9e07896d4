export interface Task {
  text: string;
  done: boolean;
  /** Deliverables below the task. */
  details: string[];
}

const BOX = /^ {0,3}[-*+] {1,4}\[(?<mark>[ xX])\] +(?<text>\S.*)$/;
const BULLET = /^\s+[-*+] +(?<text>\S.*)$/;
const FENCE = /^ {0,3}(?:```|~~~)/;

/** The boxes of a SPEC.md, for display. `ralph-contract` decides what is valid. */
export function parseChecklist(spec: string): Task[] {
  const tasks: Task[] = [];
  let fenced = false;
  for (const line of spec.split(/\r?\n/)) {
    if (FENCE.test(line)) fenced = !fenced;
    if (fenced) continue;
    const box = BOX.exec(line)?.groups;
    if (box) {
      tasks.push({ text: box.text ?? "", done: box.mark !== " ", details: [] });
      continue;
    }
    const bullet = BULLET.exec(line)?.groups;
    if (bullet) tasks.at(-1)?.details.push(bullet.text ?? "");
  }
  return tasks;
}

/** The text before the first task, without its headings: what the item is about. */
export function introduction(spec: string): string {
  const lines = spec.split(/\r?\n/);
  const first = lines.findIndex((line) => BOX.test(line));
  return lines
    .slice(0, first === -1 ? undefined : first)
    .filter((line) => !/^#{1,2} /.test(line))
    .join("\n")
    .trim();
}

export function currentTask(tasks: readonly Task[]): Task | undefined {
  return tasks.find((task) => !task.done);
}

const MAX_SPEC_BYTES = 256 * 1024;

/** What the API would refuse about a checklist, in the order in which a person would fix it. */
export function checklistProblems(spec: string): string[] {
  if (spec.trim() === "") return ["The checklist is empty."];
  const problems: string[] = [];
  if (!parseChecklist(spec).some((task) => !task.done)) {
    problems.push("It needs at least one open task: a line that starts with “- [ ] ”.");
  }
  if (new TextEncoder().encode(spec).length > MAX_SPEC_BYTES) {
    problems.push("It is longer than 256 KiB.");
  }
  return problems;
}
