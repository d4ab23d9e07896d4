import { ActionIcon, useComputedColorScheme, useMantineColorScheme } from "@mantine/core";
import {
  IconBulb,
  IconChartBar,
  IconHome,
  IconKeyboard,
  IconList,
  IconLogout,
  IconMoon,
  IconRobot,
  IconServer,
  IconSun,
  type TablerIcon,
} from "@tabler/icons-react";
import { Link } from "@tanstack/react-router";
import type { ReactNode } from "react";
import { useLogOut, useSession, useStatus } from "@/api/queries";
import { PAGES, type PagePath } from "@/lib/hotkeys";
import { LiveIndicator } from "./LiveIndicator";
import { Logo } from "./Logo";
import classes from "./Navigation.module.css";

const ICONS: Record<PagePath, TablerIcon> = {
  "/": IconHome,
  "/workers": IconRobot,
  "/queue": IconList,
  "/learnings": IconBulb,
  "/metrics": IconChartBar,
  "/system": IconServer,
};

export function Navigation({ onHelp }: { onHelp: () => void }) {
  return (
    <header className={classes.sidebar}>
      <div className={classes.top}>
        <Link to="/" className={classes.logo} aria-label="Whim, overview">
          <Logo />
          Whim
        </Link>
        <LiveIndicator />
      </div>
      <nav aria-label="Pages" className={classes.pages}>
        {PAGES.map(({ path, label }) => (
          <PageLink key={path} path={path} label={label} />
        ))}
      </nav>
      <div className={classes.tools}>
        <SchemeToggle />
        <Tool label="Keyboard shortcuts" onClick={onHelp}>
          <IconKeyboard size={18} />
        </Tool>
        <LogOut />
      </div>
    </header>
  );
}

function PageLink({ path, label }: { path: PagePath; label: string }) {
  const Icon = ICONS[path];
  return (
    <Link
      to={path}
      className={classes.page}
      activeOptions={{ exact: path === "/", includeSearch: false }}
      activeProps={{ "aria-current": "page" }}
    >
      <Icon size={18} stroke={1.75} aria-hidden />
      <span>{label}</span>
      <Count path={path} />
    </Link>
  );
}

function Count({ path }: { path: PagePath }) {
  const { data: status } = useStatus();
  if (!status) return null;
  if (path === "/workers") {
    const { active, max } = status.workers;
    return <NavCount text={`${active}/${max}`} label={`${active} of ${max} slots in use`} />;
  }
  const waiting = (status.items.queued ?? 0) + (status.items.generating ?? 0);
  if (path !== "/queue" || waiting === 0) return null;
  return <NavCount text={String(waiting)} label={`${waiting} waiting`} />;
}

function NavCount({ text, label }: { text: string; label: string }) {
  return (
    <span className={classes.count}>
      <span aria-hidden>{text}</span>
      <span className="visually-hidden">({label})</span>
    </span>
  );
}

function SchemeToggle() {
  const { setColorScheme } = useMantineColorScheme();
  const scheme = useComputedColorScheme("light");
  const next = scheme === "dark" ? "light" : "dark";
  return (
    <Tool label={`Use the ${next} theme`} onClick={() => setColorScheme(next)}>
      {scheme === "dark" ? <IconSun size={18} /> : <IconMoon size={18} />}
    </Tool>
  );
}

function LogOut() {
  const { data: session } = useSession();
  const logOut = useLogOut();
  if (!session?.loginRequired || !session.authenticated) return null;
  return (
    <Tool label="Log out" onClick={() => logOut.mutate()}>
      <IconLogout size={18} />
    </Tool>
  );
}

function Tool({
  label,
  onClick,
  children,
}: {
  label: string;
  onClick: () => void;
  children: ReactNode;
}) {
  return (
    <ActionIcon
      title={label}
      variant="subtle"
      color="gray"
      size="lg"
      className={classes.tool}
      aria-label={label}
      onClick={onClick}
    >
      {children}
    </ActionIcon>
  );
}
