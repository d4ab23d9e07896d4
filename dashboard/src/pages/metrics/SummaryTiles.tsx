import { Tile, Tiles } from "@/components/Tiles";
import { formatCompact, formatInteger, formatPercent, formatUsd } from "@/lib/format";
import { formatDuration } from "@/lib/time";
import type { Summary } from "./attempts";

export function SummaryTiles({ summary }: { summary: Summary }) {
  const { p50, p90, p99 } = summary.durations;
  return (
    <Tiles>
      <Tile label="Attempts" value={formatInteger(summary.attempts)}>
        {summary.completed} completed, {summary.failed} failed
      </Tile>
      <Tile
        label="Success rate"
        value={summary.successRate === undefined ? "–" : formatPercent(summary.successRate)}
      >
        of attempts that ended by themselves
      </Tile>
      <Tile label="Median duration" value={duration(p50)}>
        p90 {duration(p90)}, p99 {duration(p99)}
      </Tile>
      <Tile label="Cost" value={formatUsd(summary.costUsd)}>
        as reported by the agent
      </Tile>
      <Tile label="Tokens" value={formatCompact(summary.tokens)}>
        with those of the prompt cache
      </Tile>
    </Tiles>
  );
}

function duration(seconds: number | undefined): string {
  return seconds === undefined ? "–" : formatDuration(seconds);
}
