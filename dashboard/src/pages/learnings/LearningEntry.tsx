import { ActionIcon } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import {
  IconArchive,
  IconArchiveOff,
  IconPencil,
  IconPin,
  IconPinnedOff,
  type TablerIcon,
} from "@tabler/icons-react";
import { Link } from "@tanstack/react-router";
import { useUpdateLearning } from "@/api/actions";
import type { Learning } from "@/api/types";
import { Markdown } from "@/components/Markdown";
import { ToneBadge } from "@/components/StatusBadge";
import { RelativeTime } from "@/components/Time";
import { plural } from "@/lib/format";
import { LEARNING_KIND } from "@/lib/statuses";
import { EditLearningDialog } from "./EditLearningDialog";
import classes from "./LearningsPage.module.css";

export function LearningEntry({ learning }: { learning: Learning }) {
  const { label } = LEARNING_KIND[learning.kind];
  return (
    <li className={classes.entry} data-row tabIndex={-1}>
      <ToneBadge tone="neutral" label={label} />
      <div className={classes.content}>
        <Markdown text={learning.text} />
        <p className={classes.meta}>
          {learning.pinnedAt && <ToneBadge tone="running" label="Pinned" icon={IconPin} />}
          {learning.retiredAt && <ToneBadge tone="neutral" label="Retired" icon={IconArchive} />}
          <span>{learning.repo}</span>
          <RelativeTime at={learning.createdAt} />
          <span>{uses(learning)}</span>
          {learning.sourceCount > 1 && <span>reported {learning.sourceCount} times</span>}
          {learning.workItemId && (
            <Link to="/work/$id" params={{ id: learning.workItemId }}>
              from this item
            </Link>
          )}
        </p>
        <Doubts learning={learning} />
      </div>
      <Actions learning={learning} />
    </li>
  );
}

function uses({ shownCount, citedCount }: Learning): string {
  if (shownCount === 0) return "not given to an agent yet";
  return `given to ${plural(shownCount, "attempt")}, used by ${citedCount}`;
}

/** Why it may be wrong, or why it was retired. */
function Doubts({ learning }: { learning: Learning }) {
  const { contradicts, missingCitations, retiredReason } = learning;
  const doubts = [
    retiredReason && `Retired because ${retiredReason}.`,
    contradicts.length > 0 &&
      `${plural(contradicts.length, "other learning")} of this repository may contradict it.`,
    missingCitations.length > 0 && `Files that did not exist: ${missingCitations.join(", ")}.`,
  ].filter(Boolean);
  return doubts.length > 0 && <p className={classes.doubts}>{doubts.join(" ")}</p>;
}

function Actions({ learning }: { learning: Learning }) {
  const [editing, edit] = useDisclosure(false);
  const update = useUpdateLearning();
  const set = (body: { pinned?: boolean; retired?: boolean }) =>
    update.mutate({ params: { path: { id: learning.id } }, body });
  const { pinnedAt, retiredAt, text } = learning;
  return (
    <div className={classes.actions}>
      {!retiredAt && (
        <>
          <Action label="Edit" of={text} icon={IconPencil} onClick={edit.open} />
          <Action
            label={pinnedAt ? "Unpin" : "Pin"}
            of={text}
            icon={pinnedAt ? IconPinnedOff : IconPin}
            onClick={() => set({ pinned: !pinnedAt })}
          />
        </>
      )}
      <Action
        label={retiredAt ? "Use again" : "Retire"}
        of={text}
        icon={retiredAt ? IconArchiveOff : IconArchive}
        onClick={() => set({ retired: !retiredAt })}
      />
      {editing && <EditLearningDialog learning={learning} opened onClose={edit.close} />}
    </div>
  );
}

interface ActionProps {
  label: string;
  of: string;
  icon: TablerIcon;
  onClick: () => void;
}

function Action({ label, of, icon: Icon, onClick }: ActionProps) {
  return (
    <ActionIcon
      variant="subtle"
      color="gray"
      className={classes.action}
      title={label}
      aria-label={`${label}: ${of.slice(0, 80)}`}
      onClick={onClick}
    >
      <Icon size={17} />
    </ActionIcon>
  );
}
