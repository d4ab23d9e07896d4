import {
  IconAlertTriangle,
  IconArrowBackUp,
  IconCheckbox,
  IconFlag,
  IconGitCommit,
  IconInfoCircle,
  IconRefresh,
  IconScissors,
  type TablerIcon,
} from "@tabler/icons-react";
import { Link } from "@tanstack/react-router";
import { memo, type ReactNode } from "react";
import type { TranscriptEntry } from "@/api/types";
import { Markdown } from "@/components/Markdown";
import { ScrollRegion } from "@/components/ScrollRegion";
import { formatBytes, formatCompact, formatUsd, plural, totalTokens } from "@/lib/format";
import { STAGE } from "@/lib/statuses";
import { formatClock, formatDuration, formatExact } from "@/lib/time";
import classes from "./EntryRow.module.css";
import { ToolResultRow } from "./ToolResultRow";
import { ToolRow } from "./ToolRow";

interface EntryRowProps {
  entry: TranscriptEntry;
  attempt: number;
  /** The entry that the address names, or the match of a search. */
  marked: boolean;
  opened: boolean;
  onToggle: (number: number) => void;
}

export const EntryRow = memo(function EntryRow({
  entry,
  attempt,
  marked,
  opened,
  onToggle,
}: EntryRowProps) {
  const nested = "parentToolId" in entry && entry.parentToolId != null;
  return (
    <div className={classes.entry} data-type={entry.type} data-marked={marked} data-nested={nested}>
      <Link
        to="."
        search={(previous) => ({ ...previous, tab: "transcript", attempt, entry: entry.number })}
        replace
        resetScroll={false}
        className={classes.number}
        title={formatExact(entry.occurredAt)}
        aria-label={`${formatClock(entry.occurredAt)}, entry ${entry.number}`}
      >
        {formatClock(entry.occurredAt)}
      </Link>
      <div className={classes.content}>
        {nested && <span className={classes.nested}>Subagent</span>}
        <Content entry={entry} opened={opened} onToggle={onToggle} />
      </div>
    </div>
  );
});

type ContentProps = Pick<EntryRowProps, "entry" | "opened" | "onToggle">;

function Content({ entry, opened, onToggle }: ContentProps): ReactNode {
  switch (entry.type) {
    case "message":
      return <Message entry={entry} />;
    case "tool":
      return <ToolRow call={entry} opened={opened} onToggle={onToggle} />;
    case "tool_result":
      return <ToolResultRow result={entry} opened={opened} onToggle={onToggle} />;
    case "iteration_started":
      return <Note icon={IconRefresh}>Iteration {entry.iteration}</Note>;
    case "iteration_done":
      return (
        <Note icon={IconRefresh}>
          Iteration {entry.iteration} took {formatDuration(entry.durationMs / 1000)},{" "}
          {formatCompact(totalTokens(entry.stats.tokens))} tokens, {formatUsd(entry.stats.costUsd)}
        </Note>
      );
    case "commit":
      return (
        <Note icon={IconGitCommit}>
          <code>{entry.hash.slice(0, 8)}</code> {entry.message}
        </Note>
      );
    case "task_complete":
      return <Note icon={IconCheckbox}>{entry.text}</Note>;
    case "task_reopened":
      return <Note icon={IconArrowBackUp}>Open again: {entry.text}</Note>;
    case "warning":
      return <Note icon={IconAlertTriangle}>{entry.message}</Note>;
    case "stage":
      return <Note icon={IconFlag}>{STAGE[entry.stage]}</Note>;
    case "notice":
      return <Note icon={IconInfoCircle}>{entry.message}</Note>;
    case "omitted":
      return (
        <Note icon={IconScissors}>
          {plural(entry.count, "entry", "entries")} ({formatBytes(entry.bytes)}) are not stored:{" "}
          {entry.reason === "limit"
            ? "the limit of an attempt was reached."
            : "the orchestrator could not be reached."}
        </Note>
      );
  }
}

function Message({ entry }: { entry: Extract<TranscriptEntry, { type: "message" }> }) {
  if (entry.role === "assistant") return <Markdown text={entry.text} />;
  return (
    <ScrollRegion className={classes.prompt} label="Prompt">
      <span className={classes.role}>Prompt</span>
      <Markdown text={entry.text} />
    </ScrollRegion>
  );
}

function Note({ icon: Icon, children }: { icon: TablerIcon; children: ReactNode }) {
  return (
    <p className={classes.note}>
      <Icon size={16} aria-hidden className={classes.icon} />
      <span className={classes.noteText}>{children}</span>
    </p>
  );
}
