import type {
  FailureCause,
  LearningKind,
  Priority,
  Stage,
  Verdict,
  WorkerStatus,
  WorkItemStatus,
} from "@/api/types";

/** Meaning of a state, for its colour and icon. */
export type Tone = "running" | "success" | "attention" | "danger" | "neutral";

export const ITEM_STATUS: Record<WorkItemStatus, { label: string; tone: Tone }> = {
  generating: { label: "Writing spec", tone: "neutral" },
  queued: { label: "Queued", tone: "neutral" },
  assigned: { label: "Starting", tone: "running" },
  in_progress: { label: "In progress", tone: "running" },
  completed: { label: "Completed", tone: "success" },
  failed: { label: "Failed", tone: "danger" },
  cancelled: { label: "Cancelled", tone: "neutral" },
};

export const WORKER_STATUS: Record<WorkerStatus, { label: string; tone: Tone }> = {
  starting: { label: "Starting", tone: "running" },
  running: { label: "Running", tone: "running" },
  completed: { label: "Completed", tone: "success" },
  failed: { label: "Failed", tone: "danger" },
  stuck: { label: "Stuck", tone: "danger" },
  killed: { label: "Killed", tone: "neutral" },
};

export const STAGE: Record<Stage, string> = {
  preparing: "Preparing the workspace",
  working: "Agent at work",
  testing: "Running the tests",
  reviewing: "Reviewing the changes",
  delivering: "Opening the pull request",
};

export const PRIORITY: Record<Priority, { label: string; tone: Tone }> = {
  critical: { label: "Critical", tone: "danger" },
  high: { label: "High", tone: "attention" },
  medium: { label: "Medium", tone: "neutral" },
  low: { label: "Low", tone: "neutral" },
};

export const VERDICT: Record<Verdict, { label: string; tone: Tone }> = {
  approved: { label: "Approved", tone: "success" },
  changes_requested: { label: "Changes requested", tone: "attention" },
  commented: { label: "Commented", tone: "neutral" },
};

export const LEARNING_KIND: Record<LearningKind, { label: string; description: string }> = {
  pattern: { label: "Pattern", description: "A convention of the repository" },
  gotcha: { label: "Gotcha", description: "A pitfall" },
  approach: { label: "Approach", description: "A solution that worked" },
};

export const FAILURE_CAUSE: Record<FailureCause, string> = {
  crash: "Crashed",
  lost: "Contact lost",
  killed: "Killed by a person",
  resources: "Out of memory or processes",
  stuck: "No progress",
  tests_failed: "Tests failed",
  iterations_used_up: "Iterations used up",
  branch_moved: "Someone else pushed to the branch",
  push_refused: "Push refused",
  pull_request_refused: "Pull request refused",
  workspace_unusable: "Repository not usable",
  repository_damaged: "GitHub cannot read the repository",
  clone_timed_out: "Cloning took too long",
  tool_missing: "A tool of the checks is missing",
  spec_unusable: "No usable spec",
  runtime_unavailable: "Runtime unavailable",
  image_unavailable: "Worker image missing",
  registry_unavailable: "Package registry unavailable",
  github_unavailable: "GitHub unavailable",
  model_unavailable: "Model API unavailable",
  model_limited: "Model API limit reached",
  model_refused: "Model credential rejected",
  github_refused: "GitHub token rejected",
  disk_full: "Disk full",
};

export function isLiveItem(status: WorkItemStatus): boolean {
  return !isEndedItem(status);
}

export function isEndedItem(status: WorkItemStatus): boolean {
  return status === "completed" || status === "failed" || status === "cancelled";
}

export function isLiveWorker(status: WorkerStatus): boolean {
  return status === "starting" || status === "running";
}
