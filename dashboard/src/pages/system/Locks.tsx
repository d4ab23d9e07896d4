import { Link } from "@tanstack/react-router";
import { $api } from "@/api/client";
import type { components } from "@/api/schema";
import { type DataColumn, DataTable } from "@/components/DataTable";
import { Panel } from "@/components/Panel";
import { EmptyState, Loaded, SkeletonRows } from "@/components/States";
import { RelativeTime } from "@/components/Time";

type HeldLock = components["schemas"]["HeldLock"];

const LIMIT = 100;

const COLUMNS: DataColumn<HeldLock>[] = [
  {
    id: "path",
    header: "File",
    wide: true,
    sortBy: ({ path }) => path,
    cell: ({ path }) => <code>{path}</code>,
  },
  {
    id: "repo",
    header: "Repository",
    secondary: true,
    sortBy: ({ repo }) => repo,
    cell: ({ repo }) => repo,
  },
  {
    id: "holder",
    header: "Holder",
    cell: ({ workItemId, branch }) => (
      <Link to="/work/$id" params={{ id: workItemId }} data-row>
        {branch}
      </Link>
    ),
  },
  {
    id: "locked",
    header: "Locked",
    numeric: true,
    sortBy: ({ lockedAt }) => Date.parse(lockedAt),
    cell: ({ lockedAt }) => <RelativeTime at={lockedAt} />,
  },
];

export function Locks() {
  const locks = $api.useQuery("get", "/api/locks", { params: { query: { limit: LIMIT } } });
  return (
    <Panel
      title="File locks"
      note={locks.data?.nextCursor ? `the first ${LIMIT}` : locks.data?.items.length}
      flush
    >
      <Loaded query={locks} what="The locks" skeleton={<SkeletonRows rows={1} />}>
        {({ items }) =>
          items.length === 0 ? (
            <EmptyState title="No file is locked">
              A worker locks the files that it edits, so that two items of one repository do not
              edit the same file.
            </EmptyState>
          ) : (
            <DataTable
              label="File locks"
              columns={COLUMNS}
              rows={items}
              rowId={({ repo, path }) => `${repo}:${path}`}
            />
          )
        }
      </Loaded>
    </Panel>
  );
}
