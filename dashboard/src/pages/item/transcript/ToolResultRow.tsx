import { UnstyledButton } from "@mantine/core";
import { IconChevronRight, IconCornerDownRight } from "@tabler/icons-react";
import type { TranscriptEntry } from "@/api/types";
import { AnsiText } from "@/components/AnsiText";
import { ScrollRegion } from "@/components/ScrollRegion";
import { ansiParts } from "@/lib/ansi";
import { Cut } from "./ToolRow";
import classes from "./ToolRow.module.css";

type ToolResult = Extract<TranscriptEntry, { type: "tool_result" }>;

interface ToolResultRowProps {
  result: ToolResult;
  opened: boolean;
  onToggle: (number: number) => void;
}

/** What a tool returned: its first line, and all of it when it is opened. */
export function ToolResultRow({ result, opened, onToggle }: ToolResultRowProps) {
  const state = result.ok ? "Result" : "Failed";
  const line = (
    <>
      <IconCornerDownRight size={16} aria-hidden className={classes.icon} />
      <span className={classes.state} data-ok={result.ok}>
        {state}
      </span>
    </>
  );
  if (result.output.trim() === "") {
    return (
      <p className={classes.line}>
        {line}
        <span className={classes.summary}>without output</span>
      </p>
    );
  }
  return (
    <>
      <UnstyledButton
        className={classes.line}
        aria-expanded={opened}
        onClick={() => onToggle(result.number)}
        data-row
      >
        <IconChevronRight size={14} aria-hidden className={classes.chevron} data-opened={opened} />
        {line}
        <code className={classes.summary}>{firstLine(result.output)}</code>
      </UnstyledButton>
      {opened && (
        <div className={classes.body}>
          <ScrollRegion className={classes.text} label="Output">
            <pre>
              <AnsiText text={result.output} />
            </pre>
          </ScrollRegion>
          <Cut bytes={result.truncatedBytes} />
        </div>
      )}
    </>
  );
}

const PREVIEW = 300;

function firstLine(output: string): string {
  const start = output.trimStart().slice(0, PREVIEW).split("\n")[0] ?? "";
  return ansiParts(start)
    .map(({ content }) => content)
    .join("");
}
