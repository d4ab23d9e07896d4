import { Button } from "@mantine/core";
import { IconDownload } from "@tabler/icons-react";
import type { WorkItem } from "@/api/types";
import { CopyBlock } from "@/components/CopyBlock";
import { Panel } from "@/components/Panel";
import { download } from "@/lib/download";
import { isEndedItem } from "@/lib/statuses";
import classes from "./TakeOverPanel.module.css";
import { takeOverCommands } from "./take-over";

/** Offered once there can be a branch: an item that was never claimed has none. */
export function TakeOverPanel({ item }: { item: WorkItem }) {
  if (item.leaseEpoch === 0) return null;
  const { spec } = item;
  return (
    <Panel title="Take over">
      <div className={classes.content}>
        <p className={classes.text}>
          {isEndedItem(item.status)
            ? "In a clone of the repository:"
            : "Cancel the item first, so that Whim does not push to the same branch. Then, in a clone of the repository:"}
        </p>
        <CopyBlock label="Commands to continue by hand" text={takeOverCommands(item)} />
        {spec && (
          <Button
            variant="default"
            size="xs"
            leftSection={<IconDownload size={14} aria-hidden />}
            onClick={() => download("SPEC.md", "text/markdown", spec)}
          >
            SPEC.md with its ticks
          </Button>
        )}
      </div>
    </Panel>
  );
}
