import type { WorkItem } from "@/api/types";

/**
 * Commands that continue the item by hand, in a clone of its repository. The branch name is safe in a shell: the API
 * refuses any other.
 */
export function takeOverCommands({ branch, spec }: Pick<WorkItem, "branch" | "spec">): string {
  const commands = [`git fetch origin ${branch}`, `git switch ${branch}`];
  return (spec ? [...commands, "ralph run --spec SPEC.md"] : commands).join("\n");
}
