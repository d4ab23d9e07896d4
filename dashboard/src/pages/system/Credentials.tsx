import {
  IconAlertTriangle,
  IconCircleCheck,
  IconHelpCircle,
  type TablerIcon,
} from "@tabler/icons-react";
import type { ReactNode } from "react";
import type { IntakeAccess, PermissionOutcome, Status } from "@/api/types";
import { Panel } from "@/components/Panel";
import { EmptyState, SkeletonRows } from "@/components/States";
import { ToneBadge } from "@/components/StatusBadge";
import { RelativeTime } from "@/components/Time";
import type { Tone } from "@/lib/statuses";
import classes from "./rows.module.css";

const OUTCOME: Record<PermissionOutcome, string> = {
  granted: "yes",
  missing: "no",
  unknown: "not known",
};

interface State {
  tone: Tone;
  label: string;
  icon: TablerIcon;
}

const GOOD: State = { tone: "success", label: "Good", icon: IconCircleCheck };
const BAD: State = { tone: "danger", label: "Needs you", icon: IconAlertTriangle };
const UNKNOWN: State = { tone: "neutral", label: "Not known", icon: IconHelpCircle };

/** What the intake may do with its credentials, as it reported last. */
export function Credentials({ status }: { status: Status | undefined }) {
  const reported = status?.intake;
  return (
    <Panel
      title="Credentials of the intake"
      note={reported ? <RelativeTime at={reported.reportedAt} /> : undefined}
      flush
    >
      {!status ? (
        <SkeletonRows rows={3} />
      ) : !reported ? (
        <EmptyState title="Not examined yet">
          The intake reports the owner, expiry and permissions of its token when it starts, and
          every hour. <code>whim-intake check</code> prints them at any time.
        </EmptyState>
      ) : (
        <Rows access={reported.access} />
      )}
    </Panel>
  );
}

function Rows({ access: { token, repositories, specModel } }: { access: IntakeAccess }) {
  return (
    <ul>
      <Row
        name={token.account ? `GitHub token of ${token.account.login}` : "GitHub token"}
        setting="GITHUB_TOKEN"
        state={token.problem ? BAD : GOOD}
        problems={token.problem ? [token.problem] : []}
      >
        {token.account && `Account ${token.account.id}. `}
        {token.expiresAt ? (
          <>
            Expires <RelativeTime at={token.expiresAt} />.
          </>
        ) : (
          token.account && "GitHub names no expiry."
        )}
        {token.scopes && ` Scopes: ${token.scopes.join(", ") || "none"}.`}
      </Row>
      {repositories.map(({ repo, contents, issues, pullRequests, problems }) => (
        <Row
          key={repo}
          name={repo}
          state={
            problems.length > 0
              ? BAD
              : [contents, issues, pullRequests].includes("unknown")
                ? UNKNOWN
                : GOOD
          }
          problems={problems}
        >
          Push: {OUTCOME[contents]}. Issues: {OUTCOME[issues]}. Pull requests:{" "}
          {OUTCOME[pullRequests]}.
        </Row>
      ))}
      <Row
        name={`Model of specs: ${specModel.model}`}
        setting="SPEC_MODEL"
        state={specModel.problem ? BAD : GOOD}
        problems={specModel.problem ? [specModel.problem] : []}
      />
    </ul>
  );
}

interface RowProps {
  name: string;
  setting?: string;
  state: State;
  problems: string[];
  children?: ReactNode;
}

function Row({ name, setting, state, problems, children }: RowProps) {
  return (
    <li className={classes.row}>
      <div className={classes.main}>
        <p className={classes.name}>{name}</p>
        {children && <p className={classes.text}>{children}</p>}
        {problems.map((problem) => (
          <p key={problem} className={classes.text}>
            {problem}
          </p>
        ))}
        {setting && (
          <p className={classes.note}>
            <code>{setting}</code>
          </p>
        )}
      </div>
      <ToneBadge {...state} />
    </li>
  );
}
