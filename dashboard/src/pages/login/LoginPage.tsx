import { Button, PasswordInput, Stack } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { getRouteApi, useRouter } from "@tanstack/react-router";
import { type FormEvent, useState } from "react";
import { describeError } from "@/api/errors";
import { logIn } from "@/api/session";
import { Logo } from "@/components/shell/Logo";
import { localPath } from "@/lib/local-path";
import { usePageTitle } from "@/lib/page-title";
import classes from "./LoginPage.module.css";

const route = getRouteApi("/login");

export function LoginPage() {
  usePageTitle("Log in");
  const { next } = route.useSearch();
  const router = useRouter();
  const client = useQueryClient();
  const [password, setPassword] = useState("");
  const login = useMutation({
    mutationFn: logIn,
    onSuccess: () => {
      client.clear();
      router.history.replace(localPath(next));
    },
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    login.mutate(password);
  };
  return (
    <main className={classes.page}>
      <form className={classes.card} onSubmit={submit}>
        <div className={classes.head}>
          <Logo />
          <h1 className={classes.title}>Log in to Whim</h1>
        </div>
        <Stack gap="md">
          <PasswordInput
            label="Password"
            description="The value of DASHBOARD_PASSWORD"
            autoComplete="current-password"
            required
            withAsterisk={false}
            data-autofocus
            value={password}
            onChange={(event) => setPassword(event.currentTarget.value)}
            error={login.error ? describeError(login.error) : undefined}
          />
          <Button type="submit" fullWidth loading={login.isPending} disabled={password === ""}>
            Log in
          </Button>
        </Stack>
      </form>
    </main>
  );
}
