import { Link } from "@tanstack/react-router";
import type { ReactNode } from "react";
import type { WorkItem } from "@/api/types";
import { ExternalLink } from "@/components/ItemLink";
import { Markdown } from "@/components/Markdown";
import { RelativeTime } from "@/components/Time";
import { webUrl } from "@/lib/title";
import classes from "./DetailsTab.module.css";

export default function DetailsTab({ item }: { item: WorkItem }) {
  const issueUrl = webUrl(item.metadata?.issueUrl);
  const conflicts = item.lockConflicts ?? [];
  return (
    <div className={classes.content}>
      <dl className={classes.facts}>
        <Fact name="Identifier">
          <code>{item.id}</code>
        </Fact>
        <Fact name="Source">
          {item.source}
          {item.sourceRef && ` ${item.sourceRef}`}
          {issueUrl && (
            <>
              {" · "}
              <ExternalLink href={issueUrl}>Issue</ExternalLink>
            </>
          )}
        </Fact>
        {item.requestedBy && <Fact name="Requested by">{item.requestedBy}</Fact>}
        <Fact name="Run">
          {item.run}, {item.retries} of {item.maxRetries} retries used
        </Fact>
        <Fact name="Submitted">
          <RelativeTime at={item.createdAt} />
        </Fact>
        {item.startedAt && (
          <Fact name="Latest attempt">
            <RelativeTime at={item.startedAt} />
          </Fact>
        )}
        {item.endedAt && (
          <Fact name="Ended">
            <RelativeTime at={item.endedAt} />
          </Fact>
        )}
        {item.metadata?.base && <Fact name="Base branch">{item.metadata.base}</Fact>}
      </dl>
      {conflicts.length > 0 && <Conflicts conflicts={conflicts} />}
      {item.description && item.spec && (
        <section>
          <h3 className={classes.heading}>Description</h3>
          <Markdown text={item.description} />
        </section>
      )}
    </div>
  );
}

function Fact({ name, children }: { name: string; children: ReactNode }) {
  return (
    <div className={classes.fact}>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}

function Conflicts({ conflicts }: { conflicts: NonNullable<WorkItem["lockConflicts"]> }) {
  return (
    <section>
      <h3 className={classes.heading}>Files that another item changed too</h3>
      <p className={classes.note}>The pull requests may not merge without a conflict.</p>
      <ul>
        {conflicts.map((conflict) => (
          <li key={`${conflict.path}-${conflict.otherWorkItemId}`} className={classes.conflict}>
            <code>{conflict.path}</code>{" "}
            <Link to="/work/$id" params={{ id: conflict.otherWorkItemId }}>
              {conflict.otherBranch}
            </Link>
          </li>
        ))}
      </ul>
    </section>
  );
}
