import { Link } from "@tanstack/react-router";
import type { ReactNode } from "react";
import type { WorkItem } from "@/api/types";
import { itemTitle, webUrl } from "@/lib/title";
import classes from "./ItemLink.module.css";

/** Title of an item, as a link to its page that `j` and `k` reach. */
export function ItemLink({ item }: { item: WorkItem }) {
  return (
    <Link to="/work/$id" params={{ id: item.id }} className={classes.title} data-row>
      {itemTitle(item)}
    </Link>
  );
}

/** `owner/repo #12`, with a link to the issue where its address is known. */
export function ItemOrigin({ item }: { item: Pick<WorkItem, "repo" | "metadata"> }) {
  const number = item.metadata?.issueNumber;
  const url = webUrl(item.metadata?.issueUrl);
  return (
    <span className={classes.origin}>
      {item.repo}
      {number != null && " "}
      {number != null && (url ? <ExternalLink href={url}>#{number}</ExternalLink> : `#${number}`)}
    </span>
  );
}

interface ExternalLinkProps {
  href: string;
  children: ReactNode;
}

export function ExternalLink({ href, children }: ExternalLinkProps) {
  return (
    <a href={href} target="_blank" rel="noreferrer noopener">
      {children}
    </a>
  );
}

/** `#7`, or `Pull request` if the number is unknown. */
export function PullRequestLink({ item }: { item: Pick<WorkItem, "prUrl" | "prNumber"> }) {
  const url = webUrl(item.prUrl);
  if (!url) return null;
  return (
    <ExternalLink href={url}>
      {item.prNumber ? `Pull request #${item.prNumber}` : "Pull request"}
    </ExternalLink>
  );
}
