import { UnstyledButton } from "@mantine/core";
import { IconChevronRight } from "@tabler/icons-react";
import { useState } from "react";
import { $api } from "@/api/client";
import type { FileDiff, WorkItem } from "@/api/types";
import { LazyDiff } from "@/components/diff/LazyDiff";
import { EmptyState, Loaded, SkeletonRows } from "@/components/States";
import { RelativeTime } from "@/components/Time";
import { plural } from "@/lib/format";
import classes from "./ChangesTab.module.css";
import { opensByItself } from "./opening";

export default function ChangesTab({ item }: { item: WorkItem }) {
  const diff = $api.useQuery("get", "/api/work/{id}/diff", { params: { path: { id: item.id } } });
  return (
    <Loaded query={diff} what="The changes" skeleton={<SkeletonRows rows={6} />}>
      {({ files, fileCount, additions, deletions, truncated, headSha, updatedAt }) =>
        fileCount === 0 ? (
          <EmptyState title="No changes yet">
            They appear with the first push of the agent's commits.
          </EmptyState>
        ) : (
          <>
            <p className={classes.summary}>
              <span>{plural(fileCount, "file")}</span>
              <Counts additions={additions} deletions={deletions} />
              {headSha && <code>{headSha.slice(0, 8)}</code>}
              {updatedAt && <RelativeTime at={updatedAt} />}
            </p>
            {truncated && (
              <p className={classes.notice}>
                Parts are left out because of their size. The pull request has all of it.
              </p>
            )}
            <ul>
              {files.map((file, index) => (
                <FileEntry
                  key={file.path}
                  file={file}
                  initiallyOpened={opensByItself(file, index)}
                />
              ))}
            </ul>
          </>
        )
      }
    </Loaded>
  );
}

const STATUS: Record<FileDiff["status"], string> = {
  added: "added",
  modified: "modified",
  deleted: "deleted",
  renamed: "renamed",
  type_changed: "type changed",
};

function FileEntry({ file, initiallyOpened }: { file: FileDiff; initiallyOpened: boolean }) {
  const [opened, setOpened] = useState(initiallyOpened);
  return (
    <li className={classes.file}>
      <UnstyledButton
        className={classes.head}
        aria-expanded={opened}
        onClick={() => setOpened(!opened)}
        data-row
      >
        <IconChevronRight size={16} aria-hidden className={classes.chevron} data-opened={opened} />
        <code className={classes.path}>
          {file.oldPath && `${file.oldPath} → `}
          {file.path}
        </code>
        <span className={classes.status}>{STATUS[file.status]}</span>
        <Counts additions={file.additions} deletions={file.deletions} />
      </UnstyledButton>
      {opened && <FileBody file={file} />}
    </li>
  );
}

function FileBody({ file }: { file: FileDiff }) {
  if (file.isBinary) return <p className={classes.note}>A binary file.</p>;
  return (
    <>
      {file.patch ? (
        <LazyDiff source={{ patch: file.patch }} />
      ) : (
        <p className={classes.note}>
          {file.isTruncated ? "Left out because of its size." : "No line was changed."}
        </p>
      )}
      {file.patch && file.isTruncated && (
        <p className={classes.note}>The rest is left out because of its size.</p>
      )}
    </>
  );
}

function Counts({ additions, deletions }: { additions: number; deletions: number }) {
  return (
    <span className={classes.counts}>
      <span className={classes.additions}>
        +{additions}
        <span className="visually-hidden"> lines added</span>
      </span>{" "}
      <span className={classes.deletions}>
        −{deletions}
        <span className="visually-hidden"> lines deleted</span>
      </span>
    </span>
  );
}
