import { Button } from "@mantine/core";
import { IconDownload, IconRefresh } from "@tabler/icons-react";
import { $api } from "@/api/client";
import type { WorkItem } from "@/api/types";
import { AnsiText } from "@/components/AnsiText";
import { ScrollRegion } from "@/components/ScrollRegion";
import { EmptyState, Loaded, SkeletonRows } from "@/components/States";
import { download } from "@/lib/download";
import { shortId } from "@/lib/title";
import { readableLog } from "@/lib/worker-log";
import classes from "./LogTab.module.css";

const LINES = 1000;

/** The raw output of the latest worker. */
export default function LogTab({ item }: { item: WorkItem }) {
  if (!item.workerId) return <EmptyState title="No worker has started yet" />;
  return <Log workerId={item.workerId} />;
}

function Log({ workerId }: { workerId: string }) {
  const log = $api.useQuery("get", "/api/workers/{id}/logs", {
    params: { path: { id: workerId }, query: { lines: LINES } },
    parseAs: "text",
  });
  return (
    <Loaded query={log} what="The log" skeleton={<SkeletonRows rows={8} height={28} />}>
      {(text: string) => (
        <>
          <div className={classes.tools}>
            <span className={classes.note}>The last {LINES} lines of the latest worker</span>
            <Button
              variant="default"
              size="xs"
              leftSection={<IconRefresh size={14} aria-hidden />}
              loading={log.isFetching}
              onClick={() => void log.refetch()}
            >
              Refresh
            </Button>
            <Button
              variant="default"
              size="xs"
              leftSection={<IconDownload size={14} aria-hidden />}
              onClick={() => download(`worker-${shortId(workerId)}.log`, "text/plain", text)}
            >
              Save
            </Button>
          </div>
          {text === "" ? (
            <EmptyState title="The log is empty" />
          ) : (
            <ScrollRegion className={classes.log} label="Log">
              <pre>
                <AnsiText text={readableLog(text)} />
              </pre>
            </ScrollRegion>
          )}
        </>
      )}
    </Loaded>
  );
}
