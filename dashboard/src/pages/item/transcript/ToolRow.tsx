import { UnstyledButton } from "@mantine/core";
import {
  IconChevronRight,
  IconEye,
  IconPencil,
  IconTerminal2,
  type TablerIcon,
} from "@tabler/icons-react";
import { LazyDiff } from "@/components/diff/LazyDiff";
import { ScrollRegion } from "@/components/ScrollRegion";
import { formatBytes } from "@/lib/format";
import classes from "./ToolRow.module.css";
import { type ToolCall, toolEdits, toolInputText, toolName, toolSummary } from "./tool-call";

const ICON: Record<ToolCall["kind"], TablerIcon> = {
  read: IconEye,
  write: IconPencil,
  bash: IconTerminal2,
};

interface ToolRowProps {
  call: ToolCall;
  opened: boolean;
  onToggle: (number: number) => void;
}

/** A tool call: one line, and its arguments when it is opened. */
export function ToolRow({ call, opened, onToggle }: ToolRowProps) {
  const Icon = ICON[call.kind];
  const summary = (
    <>
      <Icon size={16} aria-hidden className={classes.icon} />
      <span className={classes.name}>{toolName(call)}</span>
      <code className={classes.summary}>{toolSummary(call)}</code>
    </>
  );
  if (!call.input) return <p className={classes.line}>{summary}</p>;
  return (
    <>
      <UnstyledButton
        className={classes.line}
        aria-expanded={opened}
        onClick={() => onToggle(call.number)}
        data-row
      >
        <IconChevronRight size={14} aria-hidden className={classes.chevron} data-opened={opened} />
        {summary}
      </UnstyledButton>
      {opened && <Arguments call={call} />}
    </>
  );
}

function Arguments({ call }: { call: ToolCall }) {
  const edits = toolEdits(call);
  return (
    <div className={classes.body}>
      {edits.length > 0 ? (
        edits.map((edit, index) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: the edits of one call keep their order.
          <LazyDiff key={index} source={edit} />
        ))
      ) : (
        <ScrollRegion className={classes.text} label="Arguments">
          <pre>{toolInputText(call)}</pre>
        </ScrollRegion>
      )}
      <Cut bytes={call.truncatedBytes} />
    </div>
  );
}

/** Says what an entry lacks. */
export function Cut({ bytes }: { bytes: number | undefined }) {
  if (!bytes) return null;
  return <p className={classes.cut}>{formatBytes(bytes)} were left out.</p>;
}
