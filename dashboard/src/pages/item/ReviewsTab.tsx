import { Collapse, UnstyledButton } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import {
  IconAlertTriangle,
  IconChevronRight,
  IconCircleX,
  IconInfoCircle,
  type TablerIcon,
} from "@tabler/icons-react";
import { $api } from "@/api/client";
import type { Finding, Review, WorkItem } from "@/api/types";
import { Markdown } from "@/components/Markdown";
import { EmptyState, Loaded, SkeletonRows } from "@/components/States";
import { VerdictBadge } from "@/components/StatusBadge";
import { RelativeTime } from "@/components/Time";
import { formatUsd, plural } from "@/lib/format";
import classes from "./ReviewsTab.module.css";

export default function ReviewsTab({ item }: { item: WorkItem }) {
  const reviews = $api.useQuery("get", "/api/reviews", {
    params: { query: { workItemId: item.id, limit: 50 } },
  });
  return (
    <Loaded query={reviews} what="The reviews" skeleton={<SkeletonRows rows={2} height={80} />}>
      {({ items }) =>
        items.length === 0 ? (
          <EmptyState title="No review yet">
            The changes are reviewed before the pull request is opened.
          </EmptyState>
        ) : (
          <ul>
            {items.map((review) => (
              <ReviewEntry key={review.id} review={review} />
            ))}
          </ul>
        )
      }
    </Loaded>
  );
}

function ReviewEntry({ review }: { review: Review }) {
  const [opened, { toggle }] = useDisclosure(false);
  const { error, warning, note } = review.findingCounts;
  const count = error + warning + note;
  return (
    <li className={classes.review}>
      <div className={classes.head}>
        <VerdictBadge verdict={review.verdict} />
        <span>
          Attempt {review.leaseEpoch}, round {review.round}
        </span>
        <span className={classes.meta}>
          {review.model} · {formatUsd(review.costUsd)} · <RelativeTime at={review.createdAt} />
        </span>
      </div>
      <Markdown text={review.summary} />
      {count > 0 && (
        <>
          <UnstyledButton
            className={classes.toggle}
            onClick={toggle}
            aria-expanded={opened}
            data-row
          >
            <IconChevronRight
              size={16}
              aria-hidden
              data-opened={opened}
              className={classes.chevron}
            />
            {plural(count, "finding")}: {plural(error, "error")}, {plural(warning, "warning")},{" "}
            {plural(note, "note")}
          </UnstyledButton>
          <Collapse expanded={opened}>{opened && <Findings id={review.id} />}</Collapse>
        </>
      )}
    </li>
  );
}

function Findings({ id }: { id: string }) {
  const review = $api.useQuery("get", "/api/reviews/{id}", { params: { path: { id } } });
  return (
    <Loaded query={review} what="The findings" skeleton={<SkeletonRows rows={2} />}>
      {({ findings }) => (
        <ul className={classes.findings}>
          {(findings ?? []).map((finding) => (
            <FindingEntry
              key={`${finding.path}:${finding.line}:${finding.message}`}
              finding={finding}
            />
          ))}
        </ul>
      )}
    </Loaded>
  );
}

const SEVERITY: Record<Finding["severity"], { icon: TablerIcon; label: string }> = {
  error: { icon: IconCircleX, label: "Error" },
  warning: { icon: IconAlertTriangle, label: "Warning" },
  note: { icon: IconInfoCircle, label: "Note" },
};

function FindingEntry({ finding }: { finding: Finding }) {
  const { icon: Icon, label } = SEVERITY[finding.severity];
  return (
    <li className={classes.finding} data-severity={finding.severity}>
      <Icon size={16} aria-hidden className={classes.severity} />
      <div className={classes.body}>
        <p className={classes.place}>
          <strong>{label}</strong>{" "}
          {finding.path && (
            <code>
              {finding.path}
              {finding.line != null && `:${finding.line}`}
            </code>
          )}
          {finding.task != null && ` Task ${finding.task}`}
        </p>
        <Markdown text={finding.message} />
        {finding.suggestion && (
          <div className={classes.suggestion}>
            <Markdown text={finding.suggestion} />
          </div>
        )}
      </div>
    </li>
  );
}
